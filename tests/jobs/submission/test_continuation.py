from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobs.slurm.squeue import QueuedTask
from jobs.store.handed import Ending, Handed
from jobs.store.journal import Journal
from jobs.store.planned_runs import Row
from jobs.submission.continuation import halted, silence
from jobs.submission.job_outcomes import GRACE_MINUTES, Sight

ARRAY = Handed(token="a", name="", line=1, job_id="13", elements=(((("x", "y"),),),))
FOLLOW_UP = Handed(token="f", name="", line=3, job_id="14", after=("13",))
TASK = QueuedTask(
    job_id="14", index=None, state="PENDING", reason="Dependency", start=None, end=None, nodes="", name=""
)
PLAIN = "nothing goes on by itself: `regularize submit` continues"


def said(
    *handed: Handed,
    live: bool = False,
    gone: str = "COMPLETED",
    done: Collection[str] = (),
    left_out: Collection[str] = (),
    phase: str = "report",
    asked: int = 0,
) -> str:
    """What is said of a sweep of two runs whose last follow-up is in the queue or ended so."""
    sight = Sight(
        journal=Journal(handed=handed, asked=asked),
        live={("f", 0): TASK} if live else {},
        gone={("a", 0): "COMPLETED"} | ({} if live else {("f", 0): gone}),
    )
    rows = [Row(run_id=run_id, phase=phase, dataset="digits", regularizer="l2") for run_id in "xy"]
    return halted(rows, sight, done, left_out, Path("logs"))


def test_while_a_job_sees_to_it_there_is_nothing_to_do() -> None:
    assert said(ARRAY, FOLLOW_UP, live=True) == ""


def test_without_slurm_there_is_nothing_to_say() -> None:
    assert said() == ""


@pytest.mark.parametrize("gone", ["COMPLETED", "CANCELLED", "UNKNOWN"])
def test_what_is_left_needs_a_person(gone: str) -> None:
    assert said(ARRAY, FOLLOW_UP, gone=gone, done="x") == PLAIN
    assert said(ARRAY, FOLLOW_UP, gone=gone, done="xy") == ""


def test_what_is_left_out_is_told_of_elsewhere() -> None:
    assert said(ARRAY, FOLLOW_UP, done="x", left_out="y") == ""
    assert said(ARRAY, FOLLOW_UP, left_out="y") == PLAIN


def test_a_first_phase_that_is_done_is_not_the_end() -> None:
    assert said(ARRAY, FOLLOW_UP, done="xy", phase="tune") == PLAIN
    assert said(ARRAY, FOLLOW_UP, done="x", left_out="y", phase="tune") == ""


@pytest.mark.parametrize("state", ["FAILED", "NODE_FAIL", "TIMEOUT", "OUT_OF_MEMORY"])
def test_a_follow_up_that_died_is_named_with_its_log(state: str) -> None:
    more = {"TIMEOUT": "time: 120", "OUT_OF_MEMORY": "memory: 4G"}
    died = f"job 14, which was to see to that, ended as {state} (logs/14_0_log.out)"
    died += f"; `follow_up: {{{more[state]}}}` gives it more" if state in more else ""
    expected = f"nothing goes on by itself: {died}; `regularize submit` continues"
    assert said(ARRAY, FOLLOW_UP, gone=state) == expected
    assert said(ARRAY, FOLLOW_UP, gone=state, done="xy") == expected
    settled = replace(FOLLOW_UP, endings={0: Ending(state, True, 4)})
    assert said(ARRAY, settled) == expected
    # Until someone has submitted again.
    assert said(ARRAY, settled, done="xy", asked=5) == ""


def test_a_follow_up_that_died_is_named_with_what_it_said_last(tmp_path: Path) -> None:
    sight = Sight(
        journal=Journal(handed=(ARRAY, FOLLOW_UP)),
        live={},
        gone={("a", 0): "COMPLETED", ("f", 0): "FAILED"},
    )
    log = tmp_path / "14_0_log.out"
    for text, last in (
        (f"a\nerror: no\n\n{'':9}\n", ": error: no"),
        ("", ""),
        ("x" * 9999, f": {'x' * 500}"),
    ):
        log.write_text(text, encoding="utf-8")
        assert f"ended as FAILED ({log}){last}; `regularize" in halted([], sight, (), (), tmp_path)
    log.unlink()
    log.symlink_to("/etc/hostname")
    assert f"ended as FAILED ({log}); `regularize" in halted([], sight, (), (), tmp_path)


def test_what_may_not_have_reached_slurm_is_found_out_by_submitting() -> None:
    assert "`regularize submit` finds out" in said(replace(ARRAY, job_id=None))


def test_what_slurm_has_no_word_of_is_named_with_when_it_is_over_and_what_a_person_may_say() -> None:
    sight = Sight(journal=Journal(handed=(replace(ARRAY, minutes=60),)), live={}, gone={})
    assert halted([], sight, (), (), Path()) == ""
    (line,) = silence(sight, (), 20)
    assert line.startswith("2 runs unknown: neither squeue nor sacct has a word of job 13")
    assert "`regularize submit` looks again" in line
    assert silence(sight, "xy", 20) == []
    noted = replace(sight.journal, unheard={("a", 0): "2026-01-01T10:00:00+00:00"})
    (line,) = silence(replace(sight, journal=noted), "x", 20)
    at = datetime(2026, 1, 1, 11, 0, tzinfo=UTC) + timedelta(minutes=GRACE_MINUTES)
    assert "1 run unknown: " in line
    assert f"hands them over again after {at.astimezone():%b %d %H:%M}" in line
    assert "`regularize retry --lost` does so now" in line


def test_what_sacct_alone_says_to_go_on_is_named() -> None:
    task = replace(TASK, job_id="13", state="RUNNING")
    place = ("a", 0)
    sight = Sight(
        journal=Journal(handed=(ARRAY,)), live={place: task}, gone={}, by_accounts=frozenset({place})
    )
    (line,) = silence(sight, (), 20)
    assert line.startswith("of job 13 squeue has no word, but sacct says that it goes on")
