"""What became of everything that was handed to Slurm: the journal, and one squeue and one sacct at most.

What that makes of a run (queued, failed, lost) is in `jobs.status.run_states`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.slurm.client import Slurm
from jobs.slurm.sacct import PastTask
from jobs.slurm.squeue import QueuedTask
from jobs.store.journal import Handed, Journal, read_journal

Place = tuple[str, int]
"""One job of what was handed over: the token of the request and the index in its array."""

UNKNOWN, CANCELLED, OUT_OF_MEMORY = "UNKNOWN", "CANCELLED", "OUT_OF_MEMORY"
_ENDED = (
    "BOOT_FAIL CANCELLED COMPLETED DEADLINE FAILED LAUNCH_FAILED NODE_FAIL OUT_OF_MEMORY PREEMPTED TIMEOUT"
)
ENDED = frozenset(_ENDED.split(" "))
"""States of jobs that will not run again."""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """The jobs that are in the queue, and how those ended that have left it since the journal was written.

    An end of which Slurm keeps no account, or none yet, is `UNKNOWN`, but `CANCELLED` where we brought it
    about: of an element that never ran it keeps none. `accounted` is whether it keeps any.
    """

    journal: Journal
    live: Mapping[Place, QueuedTask]
    gone: Mapping[Place, str]
    accounted: bool = True

    def live_arrays(self) -> list[Handed]:
        """The arrays that are at work or wait, oldest first."""
        tokens = {token for token, _ in self.live}
        return [handed for handed in self.journal.arrays if handed.token in tokens]

    def live_runs(self) -> set[str]:
        """The runs that are queued or running, or may be."""
        return {
            run_id
            for handed in self.journal.arrays
            for index in range(len(handed.elements))
            if handed.unsure or (handed.token, index) in self.live
            for run_id in handed.runs(index)
        }

    def follow_ups(self) -> list[tuple[Handed, QueuedTask]]:
        """The follow-ups in the queue."""
        return [
            (h, self.live[h.token, 0])
            for h in self.journal.open
            if not h.elements and (h.token, 0) in self.live
        ]


def unasked(journal: Journal) -> Sight:
    """What there is to see without Slurm: what has not ended, as far as the journal knows, is at work."""
    live = {
        (handed.token, index): QueuedTask(
            job_id=str(handed.job_id),
            index=index,
            state="RUNNING",
            reason="None",
            start=None,
            end=None,
            nodes="",
            name=handed.name,
        )
        for handed in journal.open
        for index in range(handed.jobs)
        if index not in handed.endings
    }
    return Sight(journal=journal, live=live, gone={})


def look_now(path: Path, slurm: Slurm) -> Sight:
    """As `look`, at a journal that the follow-up may be writing: it may hand over its successor and end."""
    while True:
        journal = read_journal(path)
        sight = look(journal, slurm)
        if sight.live or len(read_journal(path).handed) == len(journal.handed):
            return sight


def look(journal: Journal, slurm: Slurm) -> Sight:
    """Ask Slurm once, and once more for the ends of those that have vanished; writes nothing."""
    known = [handed for handed in journal.open if handed.job_id]
    if not known:
        return Sight(journal=journal, live={}, gone={})
    live = live_tasks(known, slurm.queue([str(handed.job_id) for handed in known]))
    vanished = {
        handed.token: [
            index
            for index in range(handed.jobs)
            if index not in handed.endings and (handed.token, index) not in live
        ]
        for handed in known
    }
    asked = [handed for handed in known if vanished[handed.token]]
    past = slurm.accounting([str(handed.job_id) for handed in asked]) if asked else ()
    states = last_states(past or ())
    gone = {
        (handed.token, index): states.get(
            (str(handed.job_id), index),
            CANCELLED if (handed.token, index) in journal.ended_by_us else UNKNOWN,
        )
        for handed in asked
        for index in vanished[handed.token]
    }
    return Sight(journal=journal, live=live, gone=gone, accounted=past is not None)


def live_tasks(handed: Iterable[Handed], queue: Iterable[QueuedTask]) -> dict[Place, QueuedTask]:
    """The tasks of the queue that are not over, by what was handed over."""
    tokens = {each.job_id: each.token for each in handed}
    return {
        (tokens[task.job_id], task.index or 0): task
        for task in queue
        if task.job_id in tokens and task.state not in ENDED
    }


def last_states(past: Sequence[PastTask]) -> dict[tuple[str, int], str]:
    """How the last attempt of each job ended, by id and index; without those that seem to go on."""
    last = {(task.job_id, task.index or 0): task for task in past}
    return {
        place: OUT_OF_MEMORY if task.out_of_memory else task.state
        for place, task in last.items()
        if task.state in ENDED
    }
