"""`submit --wait` with overviews as they would be read; on a real Slurm it is in tests/cluster."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from jobs.status.overview import Overview, Queue
from jobs.status.wait_for_jobs import wait
from jobs.store.failed_packs import Failure
from tests.jobs.submissions import small_submission

JOB = Queue(job_id="13", state="PENDING", reason="Priority", elements=1, runs=2, start=None)
FAILURE = Failure(pack_id="p", runs=1, message="ValueError: no", path="error.txt")

Wait = Callable[..., tuple[bool, str]]


def overview(counts: dict[str, int], **values: Any) -> Overview:
    return Overview(phases={"report": Counter(counts)}, cells={}, progress=0.5, **values)


@pytest.fixture
def wait_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wait:
    """Waits while there is to see what is given; how it ended, and what it said."""
    screen = io.StringIO()
    submission = small_submission(tmp_path, Console(file=screen, width=200))

    def run(
        *seen: Overview, again: Sequence[bool] = (), ends: Sequence[tuple[object, ...]] = ()
    ) -> tuple[bool, str]:
        left: Iterator[Overview] = iter(seen)
        monkeypatch.setattr("jobs.status.wait_for_jobs.read_overview", lambda *_, **__: next(left))
        monkeypatch.setattr("jobs.status.wait_for_jobs.REFRESH_SECONDS", 0.0)
        tried = iter((*again, False))
        ended: list[tuple[object, ...]] = []
        whole = wait(submission, lambda _: next(tried), lambda _, *said: ended.append(said))
        assert list(left) == []
        assert ended == list(ends)
        return whole, screen.getvalue()

    return run


@pytest.mark.parametrize("busy", [{"queue": [JOB]}, {"follow_up": JOB}, {"answered": False}])
def test_it_waits_for_jobs_for_the_follow_up_and_for_an_answer(wait_for: Wait, busy: dict[str, Any]) -> None:
    waiting = overview({"queued": 2}, **busy)
    assert wait_for(waiting, waiting, overview({"done": 1, "diverged": 1}), ends=[(2, 2, {})]) == (
        True,
        "2 of 2 runs done, 1 diverged\n",
    )


def test_what_failed_last_is_shown_with_what_can_be_done(wait_for: Wait) -> None:
    whole, said = wait_for(
        overview({"queued": 2}, queue=[JOB]),
        overview({"done": 1, "failed": 1}, failures=[FAILURE], left_out={"failed": 1}),
        ends=[(1, 2, {"failed": 1})],
    )
    assert not whole
    assert said.splitlines() == [
        "1 run of pack p failed: ValueError: no (error.txt)",
        "1 of 2 runs done, 1 failed",
        "1 run left out: failed; `regularize retry` hands them over again",
    ]


def test_a_sweep_that_nothing_brings_on_is_not_finished(wait_for: Wait) -> None:
    whole, said = wait_for(overview({"done": 2}, halted="nothing goes on by itself"))
    assert (whole, said.splitlines()[-1]) == (False, "nothing goes on by itself")


def test_ending_the_waiting_leaves_the_jobs(wait_for: Wait, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        wait_for(overview({"queued": 2}, queue=[JOB]))


def test_where_no_job_can_go_on_it_hands_over_what_comes_next(wait_for: Wait) -> None:
    halted = overview({"planned": 2}, halted="nothing goes on by itself")
    done = overview({"done": 2})
    assert wait_for(halted, overview({"queued": 2}, queue=[JOB]), done, again=[True], ends=[(2, 2, {})])[0]
    assert not wait_for(halted)[0], "unless nothing is handed over"


def test_what_nobody_has_a_word_of_is_not_the_end(wait_for: Wait) -> None:
    assert not wait_for(overview({"done": 1, "unknown": 1}))[0]
