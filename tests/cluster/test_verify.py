"""`regularize verify` by jobs of Slurm."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from regularize.store import RESULTS, write_table
from tests.cluster.slurm import TestCluster
from tests.cluster.trial import SMALL, Trial


def test_finished_runs_are_trained_again_by_jobs_and_compared(
    slurm: TestCluster, tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(tmp_path, data_root, SMALL)
    monkeypatch.setattr("jobs.status.wait_for_jobs.REFRESH_SECONDS", 1.0)
    monkeypatch.setattr("jobs.verification.train_again.QUEUE_SECONDS", 1.0)
    assert trial.submit("--wait").code == 0
    verified = trial.regularize("verify", "-n", "1")
    assert (verified.code, "every number is equal" in verified.out) == (0, True), verified

    for path in trial.store.packs.glob("*/results.parquet"):  # as if something had been changed by hand
        rows = pq.read_table(path).to_pylist()
        write_table(path, [row | {"test_loss": row["test_loss"] + 1e-12} for row in rows], RESULTS)
    changed = trial.regularize("verify", "-n", "1")
    assert (changed.code, "differs in results.test_loss" in changed.out) == (1, True), changed
    shutil.rmtree(trial.store.folder / "verify")
