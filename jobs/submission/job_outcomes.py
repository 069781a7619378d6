"""What became of everything that was handed to Slurm: the journal, and one squeue and one sacct at most.

What that makes of a run (queued, failed, lost) is in `jobs.status.run_states`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jobs.slurm.client import Slurm
from jobs.slurm.sacct import PastTask
from jobs.slurm.squeue import QueuedTask
from jobs.store.handed import Handed
from jobs.store.journal import Journal, journal_size, read_journal

Place = tuple[str, int]
"""One job of what was handed over: the token of the request and the index in its array."""

UNKNOWN, CANCELLED, OUT_OF_MEMORY, TIMEOUT = "UNKNOWN", "CANCELLED", "OUT_OF_MEMORY", "TIMEOUT"
_ENDED = (
    "BOOT_FAIL CANCELLED COMPLETED DEADLINE FAILED LAUNCH_FAILED NODE_FAIL OUT_OF_MEMORY PREEMPTED TIMEOUT"
)
ENDED = frozenset(_ENDED.split(" "))
"""States of jobs that will not run again."""
_SURE = ("COMPLETED", TIMEOUT, "NODE_FAIL", OUT_OF_MEMORY)  # the accounts call them nothing else
GRACE_MINUTES = 30
"""How long after its time limit a job may be seen: Slurm ends it late, and clocks differ."""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """The jobs that are at work or wait, and how those ended that have left the queue since the journal was
    written.

    A job is alive when squeue or sacct says so; `by_accounts` are those that sacct alone has a word of. What
    is neither live nor gone is `unheard`: nobody knows whether it is at work. An end without a word is
    `CANCELLED` where we brought it about: of an element that never ran Slurm keeps no account. `lagging` is
    whether the accounts are still to say how something ended. `nodes` are those of what is gone, as sacct
    has them, or as long as it remembers them the controller; `tried` are by sacct those of each attempt.
    """

    journal: Journal
    live: Mapping[Place, QueuedTask]
    gone: Mapping[Place, str]
    by_accounts: frozenset[Place] = frozenset()
    lagging: bool = False
    nodes: Mapping[Place, str] = field(default_factory=dict)
    tried: Mapping[Place, Sequence[str]] = field(default_factory=dict)

    @property
    def unheard(self) -> list[tuple[Handed, int]]:
        """The elements of which Slurm has no word."""
        return [
            (handed, index)
            for handed in self.journal.open
            if handed.job_id
            for index in range(handed.jobs)
            if index not in handed.endings
            and (handed.token, index) not in self.live
            and (handed.token, index) not in self.gone
        ]

    def live_arrays(self) -> list[Handed]:
        """The arrays that are at work or wait, oldest first."""
        tokens = {token for token, _ in self.live}
        return [handed for handed in self.journal.arrays if handed.token in tokens]

    def live_runs(self) -> set[str]:
        """The runs that are queued or running, or may be."""
        may_be = {(handed.token, index) for handed, index in self.unheard} | self.live.keys()
        return {
            run_id
            for handed in self.journal.arrays
            for index in range(len(handed.elements))
            if handed.unsure or (handed.token, index) in may_be
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
        size = journal_size(path)
        sight = look(read_journal(path), slurm)
        if sight.live or journal_size(path) == size:
            return sight


def look(journal: Journal, slurm: Slurm) -> Sight:
    """Ask squeue once, and sacct once for those that it does not show at work; writes nothing.

    Only where both are silent of a job is the controller asked for it: its answer is yes or no.
    """
    known = [handed for handed in journal.open if handed.job_id]
    if not known:
        return Sight(journal=journal, live={}, gone={})
    queue = slurm.queue([str(handed.job_id) for handed in known])
    sight = Sight(
        journal=journal,
        live=live_tasks(known, queue),
        gone=_ends(known, queue),
        nodes=_ends(known, queue, lambda task: task.nodes),
    )
    asked = {handed.token: handed for handed, _ in sight.unheard}
    asked |= {token: handed for handed in known for token, _ in sight.gone if token == handed.token}
    if not asked:
        return sight
    past = slurm.accounting([str(handed.job_id) for handed in asked.values()])
    if past is not None:
        sight = _with_accounts(sight, asked.values(), past)
    for handed in {handed.token: handed for handed, _ in sight.unheard}.values():
        sight = _with_controller(sight, handed, past, slurm)
    ours = {
        place for handed, index in sight.unheard if (place := (handed.token, index)) in journal.ended_by_us
    }
    return replace(sight, gone={**sight.gone, **dict.fromkeys(ours, CANCELLED)})


def at_work(job_ids: Sequence[str], slurm: Slurm) -> dict[str, bool | None]:
    """Whether jobs of which only the ids are known are at work or wait; None where nobody has a word of one.

    As in `look`: of squeue and sacct silence is no answer, of the controller it is none either.
    """
    found: dict[str, bool | None] = dict.fromkeys(job_ids)
    for task in slurm.queue(job_ids):
        found[task.job_id] = bool(found.get(task.job_id)) or task.state not in ENDED
    for job_id in [job_id for job_id in job_ids if found[job_id] is None]:
        past = [task for task in slurm.accounting([job_id]) or () if task.job_id == job_id]
        last = {task.index: task for task in past}.values()
        if last:
            found[job_id] = any(task.state not in ENDED and not _overdue(task) for task in last)
        elif (shown := slurm.shown(job_id)) is not None:
            found[job_id] = any(task.state not in ENDED for task in shown)
    return found


def _with_accounts(sight: Sight, asked: Iterable[Handed], past: Sequence[PastTask]) -> Sight:
    """What sacct knows better, or alone: how a job ended, and that one goes on which squeue does not show."""
    ends = last_states(past)
    last = {(task.job_id, task.index or 0): task for task in past}
    gone, live, by_accounts, lagging = dict(sight.gone), dict(sight.live), set(), False
    nodes, tried, attempts = (
        dict(sight.nodes),
        dict(sight.tried),
        defaultdict[tuple[str, int], list[str]](list),
    )
    for task in past:
        attempts[task.job_id, task.index or 0].append(task.nodes)
    for handed in asked:
        for index in range(handed.jobs):
            place, slurms = (handed.token, index), (str(handed.job_id), index)
            if index in handed.endings or place in live:
                continue
            if slurms in ends:
                gone[place], nodes[place] = ends[slurms], last[slurms].nodes
                tried[place] = attempts[slurms]
            elif place not in gone and slurms in last and not _overdue(last[slurms]):
                live[place] = _queued(last[slurms])
                by_accounts.add(place)
            elif gone.get(place) not in _SURE:
                lagging = True
    return replace(
        sight,
        gone=gone,
        live=live,
        by_accounts=frozenset(by_accounts),
        lagging=lagging,
        nodes=nodes,
        tried=tried,
    )


def _with_controller(sight: Sight, handed: Handed, past: Sequence[PastTask] | None, slurm: Slurm) -> Sight:
    """What the controller shows of a job that squeue and sacct are silent of.

    Its no counts where there are no accounts that could say more, or where they know the job, and not the
    element: it has ended, and never ran or was not accounted for.
    """
    shown = slurm.shown(str(handed.job_id))
    if shown is None:
        return sight
    live, gone = live_tasks([handed], shown), _ends([handed], shown)
    nodes = _ends([handed], shown, lambda task: task.nodes)
    silent = [(h.token, i) for h, i in sight.unheard if h.token == handed.token]
    told = any(task.job_id == handed.job_id for task in past or ())
    if not shown and (told or not slurm.accounts):
        gone = dict.fromkeys(silent, UNKNOWN)
    return replace(
        sight,
        live={**sight.live, **{place: task for place, task in live.items() if place in silent}},
        gone={**sight.gone, **{place: state for place, state in gone.items() if place in silent}},
        nodes={**sight.nodes, **{place: names for place, names in nodes.items() if place in silent}},
    )


def _ends(
    handed: Iterable[Handed],
    queue: Iterable[QueuedTask],
    of: Callable[[QueuedTask], str] = lambda task: task.state,
) -> dict[Place, str]:
    """How those ended that the controller still knows, or what else it says of them."""
    requests = {each.job_id: each for each in handed}
    return {
        (requests[task.job_id].token, task.index or 0): of(task)
        for task in queue
        if task.job_id in requests and task.state in ENDED
        if (task.index or 0) not in requests[task.job_id].endings
    }


def _overdue(task: PastTask) -> bool:
    """Whether sacct calls a job running that its time limit would have ended: of such ends it never heard."""
    if task.state != "RUNNING" or task.start is None or task.time_limit is None:
        return False
    return datetime.now(UTC) > task.start + timedelta(minutes=task.time_limit + GRACE_MINUTES)


def _queued(task: PastTask) -> QueuedTask:
    return QueuedTask(
        job_id=task.job_id,
        index=task.index,
        state=task.state,
        reason=task.reason,
        start=task.start,
        end=None,
        nodes=task.nodes,
        name=task.name,
    )


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
