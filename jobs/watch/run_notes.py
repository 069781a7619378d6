"""What there is to say of each run in a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobs.slurm.squeue import QueuedTask
from jobs.status.run_states import waits
from jobs.store.journal import Death
from jobs.store.pack_status import Packs, diverged
from jobs.submission.job_outcomes import UNKNOWN, Sight
from jobs.watch.header_words import clock
from regularize.store import PackStatus


@dataclass(frozen=True, kw_only=True)
class Job:
    """Where a run is or was last: Slurm's id, its place in the queue, how it ended, and its pack."""

    job_id: str = ""
    task: QueuedTask | None = None
    ending: str = ""
    pack_id: str = ""
    pack: PackStatus | None = None


def jobs_of(sight: Sight, packs: Packs) -> dict[str, Job]:
    """By run id, for all runs that were handed over or begun."""
    told = {
        run_id: (pack_id, status)
        for pack_id, status in sorted(packs.statuses.items(), key=lambda item: item[1].updated_at)
        for run_id in status.runs
    }
    found: dict[str, Job] = {}
    for handed in sight.journal.arrays:
        for index in range(0 if handed.abandoned else len(handed.elements)):
            place = (handed.token, index)
            ending = handed.endings.get(index)
            common = {
                "job_id": handed.slurm_id(index) if handed.job_id else "",
                "task": sight.live.get(place),
                "ending": ending.state if ending else sight.gone.get(place, UNKNOWN),
            }
            for run_id in handed.runs(index):
                pack_id, status = told.get(run_id, ("", None))
                found[run_id] = Job(**common, pack_id=pack_id, pack=status)  # type: ignore[arg-type]
    for run_id, (pack_id, status) in told.items():
        if run_id not in found:
            found[run_id] = Job(job_id=status.job.rpartition("_")[0], pack_id=pack_id, pack=status)
    return found


def note_of(
    run_id: str,
    state: str,
    job: Job | None,
    messages: Mapping[str, str],
    left_out: str,
    deaths: Sequence[Death] = (),
) -> str:
    """Why it waits, where it is, or what went wrong."""
    if job is None or state == "done":
        return ""
    if job.pack and run_id in job.pack.diverged:
        return diverged(job.pack.diverged_at.get(run_id))
    if state == "failed":
        return messages.get(job.pack_id, left_out)
    if left_out:
        return left_out
    if job.task and waits(job.task):
        start = f", starts about {clock(job.task.start.isoformat())}" if job.task.start else ""
        return f"{job.task.reason}{start}"
    if state == "running" and job.pack:
        return f"epoch {job.pack.epoch} of {job.pack.epochs} on {job.pack.host}"
    if state == "lost" and job.pack and not job.pack.job:
        return killed(run_id, deaths) or f"its process, {job.pack.pid}, ended without a word"
    if state in ("lost", "unknown"):
        return (
            f"job ended: {job.ending}"
            if job.ending and job.ending != UNKNOWN
            else "Slurm says nothing of its job"
        )
    return ""


def killed(run_id: str, deaths: Sequence[Death]) -> str:
    """How the last of this machine's workers ended that died while it trained the run."""
    return next((death.said for death in reversed(deaths) if run_id in death.runs), "")
