"""The short form of `make faults-slurm`: a few of its faults, at one sweep."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.cluster.slurm import TestCluster
from tests.faults import slurm_kinds
from tests.faults.slurm_campaign import befall, begun, let_go, reference


def test_a_sweep_heals_and_nothing_is_trained_twice(
    slurm: TestCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LET_GO", "")
    whole, chance = reference(slurm, tmp_path), random.Random(19)
    both_silent = slurm_kinds.KINDS[6]
    with begun(slurm, tmp_path / "trial", tmp_path / "data") as trial:
        for kind in (both_silent, slurm_kinds.kill_submit, slurm_kinds.second_worker, slurm_kinds.at_last(6)):
            befall(slurm, trial, kind, chance)
        let_go(slurm, trial, whole)
