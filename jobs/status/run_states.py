"""The state of every run, from what its pack says and, on Slurm, from what became of its jobs. Pure.

planned (nobody has it), queued (its job waits, or has not come to it), running, interrupted (a
checkpoint waits), failed (a Python error), lost (its job or process ended without a word), unknown (Slurm
says nothing of its job), done, diverged. What is not known is never called failed.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import UTC, datetime

from jobs.cluster.cluster_config import MOST_HEARTBEAT
from jobs.slurm.squeue import QueuedTask
from jobs.store.pack_status import Packs, share
from jobs.store.submit_lock import alive
from jobs.submission.job_outcomes import CANCELLED, UNKNOWN, Sight
from regularize.store import PackStatus

RUN_STATES = (
    "planned", "queued", "running", "interrupted", "failed", "lost", "unknown", "done", "diverged"
)  # fmt: skip
SILENT_SECONDS = 2.0 * MOST_HEARTBEAT
DEAD_SECONDS = 10.0  # of a process that is gone, but might be of another container on this host
ELSEWHERE_SECONDS = 600.0  # longer than what a pack does between two words, such as an evaluation
# Of a job that Slurm has not started yet, or not again.
_WAITING = (
    "PENDING",
    "REQUEUED",
    "REQUEUE_HOLD",
    "REQUEUE_FED",
    "RESV_DEL_HOLD",
    "SPECIAL_EXIT",
    "CONFIGURING",
)
_BY_PROGRESS = ("failed", "lost", "interrupted", "running", "done")


@dataclass(frozen=True)
class Told:
    """What a run's pack says: its state, and the status it is from."""

    state: str
    status: PackStatus


def run_states(packs: Packs, sight: Sight | None, now: datetime) -> tuple[dict[str, str], dict[str, float]]:
    """The state and the share of its steps that is done, for every run that was begun or handed over."""
    told = _told(packs, now)
    states = {run_id: each.state for run_id, each in told.items()}
    shares = {run_id: share(each.status) for run_id, each in told.items()}
    if sight:
        for run_id, fate in fates(sight).items():
            states[run_id] = _state(told.get(run_id), fate)
    return states, shares


def fates(sight: Sight) -> dict[str, QueuedTask | str]:
    """For every run that was handed over, its job in the queue, or how the last of them ended."""
    found: dict[str, QueuedTask | str] = {}
    for handed in sight.journal.arrays:
        for index in range(0 if handed.abandoned else len(handed.elements)):
            place = (handed.token, index)
            ending = handed.endings.get(index)
            fate = sight.live.get(place) or (ending.state if ending else sight.gone.get(place, UNKNOWN))
            found |= dict.fromkeys(handed.runs(index), fate)
    return found


def waits(task: QueuedTask) -> bool:
    return task.state in _WAITING


def pack_state(status: PackStatus, now: datetime) -> str:
    """The state of a pack; one whose process died without a word is lost.

    Of a process on a host of another name, which may be this one in another network, long silence says so.
    """
    if status.state != "running" or status.job:
        return status.state
    here = status.host == socket.gethostname()
    if here and alive(status.pid):
        return status.state
    limit = DEAD_SECONDS if here else ELSEWHERE_SECONDS
    return "lost" if age(status, now) > limit else status.state


def processes_here(packs: Packs, now: datetime) -> set[int]:
    """The processes that this host's submissions started and that are training a pack."""
    return {
        status.pid
        for status in packs.statuses.values()
        if status.state == "running"
        and not status.job
        and status.host == socket.gethostname()
        and age(status, now) <= SILENT_SECONDS
        and alive(status.pid)
    }


def age(status: PackStatus, now: datetime) -> float:
    """Seconds since a pack last said something."""
    try:
        return max(0.0, (now - datetime.fromisoformat(status.updated_at)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return float("inf")


def _told(packs: Packs, now: datetime) -> dict[str, Told]:
    """What packs say of their runs; where they disagree, the one furthest on."""
    found: dict[str, Told] = {}
    told = [Told(pack_state(status, now), status) for status in packs.statuses.values()]
    for each in sorted(told, key=lambda each: _BY_PROGRESS.index(each.state)):
        for run_id in each.status.runs:
            diverged = each.state == "done" and run_id in each.status.diverged
            found[run_id] = Told("diverged", each.status) if diverged else each
    return found


def _state(told: Told | None, fate: QueuedTask | str) -> str:
    """The state of a run that was handed over."""
    if told and told.state in ("done", "diverged"):
        return told.state
    if isinstance(fate, QueuedTask):
        if waits(fate) or not told or told.state == "interrupted" or not since(told.status, fate.start):
            return "queued"
        return told.state
    if told and told.state in ("failed", "interrupted"):
        return told.state
    if fate == CANCELLED:
        return "interrupted" if told else "planned"
    return "unknown" if fate == UNKNOWN else "lost"


def since(status: PackStatus, start: datetime | None) -> bool:
    """Whether a pack said something after its job was started."""
    try:
        return start is None or datetime.fromisoformat(status.updated_at) >= start.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return False
