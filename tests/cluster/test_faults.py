"""The short form of `make faults-slurm`: a few of its faults."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from regularize.store import Store
from tests.cluster.slurm import TestCluster
from tests.faults import slurm_kinds
from tests.faults.slurm_campaign import befall, reference


@pytest.fixture(scope="module")
def whole(cluster: TestCluster, tmp_path_factory: pytest.TempPathFactory) -> Store:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LET_GO", "")
        return reference(cluster, tmp_path_factory.mktemp("faults"))


@pytest.mark.parametrize(
    "kind",
    [slurm_kinds.lie, slurm_kinds.kill_submit, slurm_kinds.second_worker],
    ids=lambda kind: kind.__name__,
)
def test_a_sweep_heals_and_nothing_is_trained_twice(
    slurm: TestCluster, tmp_path: Path, whole: Store, kind: slurm_kinds.Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LET_GO", "")
    befall(slurm, tmp_path / "trial", whole, kind, random.Random(19))
