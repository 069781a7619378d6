"""What many processes on several nodes train is what one process trains."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.cluster.settings import NODES
from tests.cluster.slurm import TestCluster
from tests.cluster.tables import assert_same, largest_difference, largest_difference_of_weights, table
from tests.cluster.trial import Trial

ALL = """\
name: all
dataset: {digits: {per_class: 8}}
model: lenet5
training: {steps: STEPS, batch_size: 16, precision: PRECISION}
evaluation: {every: 1}
regularizers:
  none:
  l1: {strength: [1e-4, 1e-3]}
  l2: {strength: 1e-2}
  elastic_net: {l1: 1e-4, l2: 1e-2}
  soft_svb: {strength: 1e-2}
  hard_svb: {epsilon: 0.1, every: 2}
  jacobian: {strength: 0.01}
  jacobian_determinant: {strength: 1e-4}
  dropout: {p: 0.5}
  confidence_penalty: {beta: 0.1}
  label_smoothing: {epsilon: 0.1}
  input_noise: {sigma: 0.1}
  weight_noise: {sigma: 0.01}
  together:
    compose: [l2, dropout, jacobian]
    l2: {strength: 5e-4}
    dropout: {p: 0.5}
    jacobian: {strength: 0.01}
seeds: 1
"""
RUNS = 15
FLOAT32_TOLERANCE = 1e-3  # of numbers after the first three steps; later, rounding grows without bound


def all_techniques(steps: int, precision: str) -> str:
    return ALL.replace("STEPS", str(steps)).replace("PRECISION", precision)


def test_spread_over_four_nodes_equals_one_process(
    slurm: TestCluster, tmp_path: Path, data_root: Path
) -> None:
    near = tmp_path / "near"  # of one disk here, so that the four nodes share what they copy
    near.mkdir()
    trial = Trial(tmp_path, data_root, all_techniques(6, "float32"), nodes=4, scratch=str(near))
    assert trial.submit().code == 0
    slurm.wait_until_idle()
    assert trial.states() == {"done": RUNS}
    assert {row["host"] for row in _results(trial)} == set(NODES)
    assert [path.parent.name for path in near.glob("*/*/prepared/*/meta.json")] == ["digits"]
    assert {len(list(pack.iterdir())) for pack in trial.store.packs.iterdir()} == {6}  # files, not more
    assert_same(trial.store, trial.in_one_process(tmp_path / "alone"))


@pytest.mark.parametrize(
    ("precision", "steps", "tolerance"), [("float64", 6, 1e-9), ("float32", 3, FLOAT32_TOLERANCE)]
)
def test_ddp_over_two_nodes_equals_one_process(
    precision: str, steps: int, tolerance: float, slurm: TestCluster, tmp_path: Path, data_root: Path
) -> None:
    sweep = all_techniques(steps, precision)
    trial = Trial(tmp_path, data_root, sweep, mode="ddp", nodes=2, tasks_per_node=2)
    assert trial.submit().code == 0
    slurm.wait_until_idle()
    assert trial.states() == {"done": RUNS}
    assert {row["world_size"] for row in _results(trial)} == {4}
    alone = trial.in_one_process(tmp_path / "alone")
    pd.testing.assert_series_equal(table(trial.store, "results")["run_id"], table(alone, "results")["run_id"])
    for name in ("results", "metrics", "spectra"):
        assert largest_difference(trial.store, alone, name) <= tolerance
    assert largest_difference_of_weights(trial.store, alone) <= tolerance


def _results(trial: Trial) -> list[dict[Hashable, Any]]:
    paths = trial.store.packs.glob("*/results.parquet")
    return [row for path in paths for row in pd.read_parquet(path).to_dict("records")]
