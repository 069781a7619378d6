"""Submitting by hand, and waiting in a follow-up's stead; what it hands over is in tests/cluster."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NoReturn

import pytest
from rich.console import Console

from jobs.store.submit_lock import LockedError
from jobs.submission import submit_to_slurm
from jobs.submission.submit_ready import NoRoomError
from regularize.errors import UserError
from tests.jobs.submissions import small_submission


@pytest.mark.parametrize("error", [NoRoomError, LockedError])
def test_who_waits_without_a_follow_up_waits_for_a_place_as_it_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[UserError]
) -> None:
    def full(*_: object, **__: object) -> NoReturn:
        raise error("3 [jobs] are there")

    slept: list[float] = []
    monkeypatch.setattr(submit_to_slurm, "_turn", full)
    monkeypatch.setattr("time.sleep", slept.append)
    screen = io.StringIO()
    submission = small_submission(tmp_path, Console(file=screen, width=20))
    assert submit_to_slurm.go_on_by_hand(submission)
    assert (screen.getvalue(), slept) == (
        "3 [jobs] are there; trying again later\n",
        [submit_to_slurm.AGAIN_SECONDS],
    )
