"""States of runs that were handed to Slurm; those of this machine are in `test_status`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobs.slurm.squeue import QueuedTask
from jobs.status.run_states import run_states
from jobs.store.handed import Ending, Handed
from jobs.store.journal import Journal
from jobs.store.pack_status import Packs
from jobs.submission.job_outcomes import Sight
from tests.jobs.stores import status

NOW = datetime.now(UTC)
EARLIER, LATER = (NOW - timedelta(minutes=9)), (NOW + timedelta(days=1))
HANDED = Handed(token="t", name="rs-x-t", job_id="13", elements=(((("a",),),),))
TASK = QueuedTask(
    job_id="13",
    index=None,
    state="RUNNING",
    reason="None",
    start=EARLIER,
    end=None,
    nodes="n1",
    name="rs-x-t",
)


def state(
    pack: str | None, *, live: QueuedTask | None = None, gone: str | None = None, **of_pack: Any
) -> str:
    """The state of the only run, given its pack, its job in the queue, or how that ended."""
    told = Packs({"p": status(["a"], pack, **({"job": "13_0"} | of_pack))} if pack else {})
    place = ("t", 0)
    sight = Sight(
        journal=Journal(handed=(HANDED,)),
        live={place: live} if live else {},
        gone={place: gone} if gone else {},
    )
    return run_states(told, sight, NOW)[0]["a"]


@pytest.mark.parametrize("pack", [None, "running", "interrupted", "failed"])
def test_what_waits_in_the_queue_is_queued_whatever_its_pack_said(pack: str | None) -> None:
    assert state(pack, live=replace(TASK, state="PENDING", start=LATER)) == "queued"


@pytest.mark.parametrize(
    ("pack", "expected"),
    [(None, "queued"), ("interrupted", "queued"), ("running", "running"), ("failed", "failed")],
)
def test_in_a_running_job_a_run_is_what_its_pack_says_since(pack: str | None, expected: str) -> None:
    assert state(pack, live=TASK) == expected


def test_what_a_pack_said_in_an_earlier_attempt_does_not_count() -> None:
    assert state("running", live=replace(TASK, start=LATER)) == "queued"
    assert state("failed", live=replace(TASK, start=LATER)) == "queued"


@pytest.mark.parametrize("gone", ["NODE_FAIL", "TIMEOUT", "FAILED", "COMPLETED", "OUT_OF_MEMORY"])
@pytest.mark.parametrize(
    ("pack", "expected"),
    [(None, "lost"), ("running", "lost"), ("interrupted", "interrupted"), ("failed", "failed")],
)
def test_a_job_that_ended_leaves_a_checkpoint_an_error_or_nothing(
    gone: str, pack: str | None, expected: str
) -> None:
    assert state(pack, gone=gone) == expected


def test_what_slurm_says_nothing_of_is_unknown_never_failed() -> None:
    assert state(None, gone="UNKNOWN") == "unknown"
    assert state("running", gone="UNKNOWN") == "unknown"
    assert state(None) == "unknown"  # it may never have reached Slurm


def test_what_was_cancelled_is_as_if_it_had_not_been_handed_over() -> None:
    assert (state(None, gone="CANCELLED"), state("running", gone="CANCELLED")) == ("planned", "interrupted")


@pytest.mark.parametrize("live", [None, TASK])
def test_what_is_done_is_done_whatever_its_job_does(live: QueuedTask | None) -> None:
    assert state("done", live=live, gone=None if live else "FAILED") == "done"
    assert state("done", live=live, gone=None if live else "FAILED", diverged=("a",)) == "diverged"


def test_the_last_of_several_attempts_counts() -> None:
    first = replace(HANDED, endings={0: Ending("NODE_FAIL", False, 2)})
    second = replace(HANDED, token="u", job_id="14")
    sight = Sight(
        journal=Journal(handed=(first, second)), live={("u", 0): replace(TASK, job_id="14")}, gone={}
    )
    assert run_states(Packs(), sight, NOW)[0] == {"a": "queued"}
