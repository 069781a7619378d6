"""How long the follow-up waits for a controller: what it does is in tests/cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.store.journal import append, submitting
from jobs.submission.follow_up_job import PATIENCE, patience
from jobs.submission.hand_to_slurm import follow_up_of
from regularize.store import Store


@pytest.mark.parametrize(("minutes", "seconds"), [(30, PATIENCE), (6, 240.0), (600, PATIENCE)])
def test_it_says_that_slurm_does_not_answer_before_its_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minutes: int, seconds: float
) -> None:
    store, handed = Store(tmp_path), follow_up_of("x", ["13"], minutes)
    submitting(store.journal, handed)
    append(store.journal, "submitted", token=handed.token, job_id="14")
    monkeypatch.setenv("SLURM_JOB_ID", "14")
    assert patience(store) == seconds
    monkeypatch.delenv("SLURM_JOB_ID")
    assert patience(store) == PATIENCE
