"""How long the follow-up waits, and what it ends as if it cannot tell; what it does is in tests/cluster."""

from __future__ import annotations

import subprocess
import sys
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


def test_one_that_cannot_say_that_it_stands_still_leaves_it_to_its_script(tmp_path: Path) -> None:
    """Whose store no longer says who is to be told."""
    lines = (
        "import sys, pathlib, jobs.submission.follow_up_job as job; job.FollowUp(pathlib.Path(sys.argv[1]))()"
    )
    (tmp_path / "submission.json").write_text("{", encoding="utf-8")
    words = [sys.executable, "-c", lines, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.startswith("error: ")) == (1, True), done.stderr
