"""What a finished pack says of its runs: the same packed, alone, and on two ranks."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from regularize.config import RunConfig
from regularize.curves import Curves
from regularize.data.data_config import DataConfig
from regularize.distributed import Ranks
from regularize.evaluation.examined import drawn, never
from regularize.evaluation.settings import Evaluation, Robustness
from regularize.store import RESULTS, ROBUSTNESS, SPECTRA, PackPaths
from regularize.train_pack import train_pack
from regularize.trainer import Trainer
from regularize.training_config import Training
from tests.regularize.evaluation.networks import measured, run

Rows = list[dict[str, Any]]
MEASURES = [
    name
    for name in RESULTS.names
    if name.startswith(("train_", "validation_", "test_"))
    or name in ("jacobian_norm", "sparsity", "weight_norm", "spectral_norm_max", "spectral_norm_product")
]


def trained(folder: Path, *runs: RunConfig, **options: Any) -> PackPaths:
    paths = PackPaths(folder)
    train_pack(runs, paths, **options)
    return paths


def rows(path: Path, run_id: str | None = None) -> Rows:
    found: Rows = pq.read_table(path).to_pylist()
    return [row for row in found if run_id in (None, row["run_id"])]


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> PackPaths:
    """Two runs in double precision, measured in every way."""
    return trained(tmp_path_factory.mktemp("pack"), run(0), run(1))


def same(ours: Rows, theirs: Rows) -> None:
    """Numbers equal to 1e-9, shares (which hang on single examples) exactly."""
    assert len(ours) == len(theirs) > 0
    for mine, other in zip(ours, theirs, strict=True):
        for name, value in mine.items():
            if isinstance(value, float) and name.endswith(("seconds", "accuracy")) is False:
                assert other[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name
            elif name in MEASURES or name in (*ROBUSTNESS.names, *SPECTRA.names):
                assert other[name] == value, name


def test_every_measure_has_a_value_that_makes_sense(pack: PackPaths) -> None:
    for row in rows(pack.results):
        assert all(math.isfinite(row[name]) for name in MEASURES)
        assert all(0 <= row[f"{split}_accuracy"] <= 1 for split in ("train", "validation", "test"))
        assert 0 < row["test_brier"] < 2
        assert 0 < row["test_ece"] < 1
        assert 0.1 < row["test_confidence"] <= 1
        assert 0 < row["test_entropy"] < math.log(10)
        assert row["jacobian_norm"] > 0
        assert row["sparsity"] == 0
        assert row["evaluation_seconds"] > 0


def test_spectra_and_robustness_have_their_rows(pack: PackPaths) -> None:
    (first, _), spectra = rows(pack.results), rows(pack.spectra)
    sizes = {"conv1": 6, "conv2": 16, "fc1": 120, "fc2": 84, "fc3": 10}
    mine = [row for row in spectra if row["run_id"] == first["run_id"]]
    assert [(r["layer"], r["index"]) for r in mine] == [(n, i) for n, k in sizes.items() for i in range(k)]
    assert max(row["value"] for row in mine) == first["spectral_norm_max"]
    attacks = [(r["attack"], r["size"], r["examples"]) for r in rows(pack.robustness, first["run_id"])]
    points = [("noise", 0), ("noise", 0.3), ("fgsm", 0), ("fgsm", 0.1)]
    points += [("pgd", 0), ("pgd", 0.02), ("pgd", 0.05)]
    assert attacks == [(*point, 40) for point in points]
    assert len(spectra) == 2 * len(mine)


def test_packed_equals_alone(pack: PackPaths, tmp_path: Path) -> None:
    for seed in (0, 1):
        alone, run_id = trained(tmp_path / str(seed), run(seed)), run(seed).run_id
        for table in ("results", "spectra", "robustness"):
            same(rows(getattr(alone, table)), rows(getattr(pack, table), run_id))


def test_two_ranks_measure_what_one_does(pack: PackPaths, tmp_path: Path) -> None:
    """Of a pack that two ranks trained up to 1e-9, of the same networks bit for bit."""
    command = [sys.executable, "-m", "tests.regularize.evaluation.two_ranks", str(tmp_path)]
    subprocess.run(command, check=True, timeout=300, cwd=Path(__file__).parents[3])
    together = PackPaths(tmp_path / "pack")
    for table in ("results", "spectra", "robustness"):
        same(rows(getattr(together, table)), rows(getattr(pack, table)))
    alone = measured()
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert found.keys() == alone.keys()
        assert all(torch.equal(found[name], alone[name]) for name in alone)


def test_what_was_interrupted_is_measured_as_if_it_was_not(pack: PackPaths, tmp_path: Path) -> None:
    calls = itertools.count(1)
    stop: Callable[[], bool] = lambda: next(calls) == 13  # noqa: E731
    trained(tmp_path, run(0), run(1), stop=stop)
    resumed = trained(tmp_path, run(0), run(1))
    for table in ("results", "spectra", "robustness"):
        assert len(rows(getattr(resumed, table))) > 0
        for mine, other in zip(rows(getattr(resumed, table)), rows(getattr(pack, table)), strict=True):
            columns = [name for name in mine if name in (*MEASURES, *SPECTRA.names, *ROBUSTNESS.names)]
            assert {name: mine[name] for name in columns} == {name: other[name] for name in columns}
    (row, _), (whole, _) = rows(resumed.results), rows(pack.results)
    assert row["evaluation_seconds"] > 0
    assert row["finished_at"] >= whole["finished_at"]


def test_nothing_is_measured_that_is_not_asked_for(tmp_path: Path) -> None:
    paths = trained(tmp_path, run(0, steps=2, evaluation=Evaluation(jacobian_examples=0)))
    (row,) = rows(paths.results)
    assert row["jacobian_norm"] is None
    assert not paths.robustness.exists()


def test_points_have_no_pixels_to_attack(tmp_path: Path) -> None:
    config = RunConfig(
        data=DataConfig(name="clusters"),
        model="toy_mlp",
        regularizer="none",
        terms=(),
        training=Training(steps=3),
        evaluation=Evaluation(robustness=Robustness()),
    )
    paths = trained(tmp_path, config)
    (row,) = rows(paths.results)
    assert row["jacobian_norm"] > 0
    assert not paths.robustness.exists()


def test_few_examples_are_measured_on_a_sample_along_the_way_and_on_all_in_the_end(tmp_path: Path) -> None:
    sampled = Evaluation(every=1, curve_examples=50, jacobian_examples=20)
    paths = trained(tmp_path, run(0, steps=80, evaluation=sampled))
    curve = rows(paths.metrics)
    assert len(curve) == 2 * 3  # 80 steps of 41 an epoch, three splits
    first, last = curve[:3], curve[3:]
    assert {row["examples"] for row in first} == {50}
    assert all(50 * row["accuracy"] == pytest.approx(round(50 * row["accuracy"])) for row in first)
    (result,) = rows(paths.results)
    assert result["jacobian_examples"] == 20
    norms = {row["example"]: row["jacobian_norm"] for row in rows(paths.predictions)}
    assert [each for each in norms if norms[each] is not None] == drawn(360, 20, "test_sample").tolist()
    assert sum(filter(None, norms.values())) / 20 == pytest.approx(result["jacobian_norm"], rel=1e-12)
    for row in last:  # the curve ends where the tables do
        assert row["accuracy"] == result[f"{row['split']}_accuracy"]
        assert row["loss"] == result[f"{row['split']}_loss"]
    assert {row["split"]: row["examples"] for row in last}["test"] == 360


def test_each_seed_has_a_sample_of_its_own_for_its_curves(tmp_path: Path) -> None:
    sampled = Evaluation(every=1, curve_examples=50, jacobian_examples=0)
    runs = [run(seed, evaluation=sampled) for seed in (0, 1, 1)]
    trainer = Trainer(runs, PackPaths(tmp_path), Ranks.here(), None)
    first, second, again = Curves(trainer, sampled, never).sampled["test"].tolist()
    assert first != second == again
    assert second == drawn(360, 50, "curve/test", 1).tolist()


def test_the_last_row_of_the_metrics_is_the_result(pack: PackPaths) -> None:
    last = {(r["run_id"], r["split"]): r for r in rows(pack.metrics)}
    for row in rows(pack.results):
        for split in ("train", "validation", "test"):
            metric = last[row["run_id"], split]
            assert (metric["loss"], metric["accuracy"]) == (row[f"{split}_loss"], row[f"{split}_accuracy"])
