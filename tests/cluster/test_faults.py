"""The short form of `make faults-slurm`: a few of its faults, and its lies.

squeue and sacct answer nothing, garbage, or late, each alone and both, to status and submit; and each of the
programs, and each of the answers, to a follow-up.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.cluster.slurm import TestCluster
from tests.faults import slurm_kinds
from tests.faults.slurm_campaign import befall, begun, let_go, reference


def test_a_sweep_heals_and_nothing_is_trained_twice(
    slurm: TestCluster, tmp_path: Path, python: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LET_GO", "")
    for seconds in ("TIMEOUT", "LEAST_TIMEOUT"):
        monkeypatch.setattr(f"jobs.slurm.client.{seconds}", 5.0)  # no less, as late answers are answers
    whole, chance = reference(slurm, tmp_path, python), random.Random(19)
    others = (slurm_kinds.hang, slurm_kinds.kill_submit, slurm_kinds.second_worker)
    with begun(slurm, tmp_path / "trial", tmp_path / "data", python) as trial:
        for kind in (*slurm_kinds.LIES, *others):
            befall(slurm, trial, kind, chance)
        let_go(slurm, trial, whole)


def test_follow_ups_that_are_lied_to_bring_sweeps_to_their_end(
    slurm: TestCluster, tmp_path: Path, python: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep for each lie, as it lasts to the end of one: both silent, squeue's garbage, sacct late."""
    monkeypatch.setenv("LET_GO", "")
    whole, chance, trials = reference(slurm, tmp_path, python), random.Random(19), []
    for number in (6, 1, 5):
        with begun(slurm, tmp_path / f"{number}", tmp_path / "data", python) as trial:
            befall(slurm, trial, slurm_kinds.at_last(number), chance)
        trials.append(trial)
    for trial in trials:
        let_go(slurm, trial, whole)
