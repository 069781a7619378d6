"""Jobs that run and do not train yet: for how long, and whether ranks wait for each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jobs.status.run_states import since
from jobs.store.meeting_place import meetings
from jobs.store.pack_status import Packs
from jobs.submission.job_outcomes import Sight
from jobs.support.readable_numbers import duration, plural


@dataclass(frozen=True, kw_only=True)
class Starting:
    """A job that runs, and of whose packs none has said anything since: for how many seconds, and where.

    Of `ranks` that train together so many are `missing`, as far as is known; both 0 where none wait.
    """

    job: str
    nodes: str
    seconds: float
    ranks: int = 0
    missing: int = 0

    @property
    def said(self) -> str:
        """
        >>> Starting(job="13", nodes="n[1-2]", seconds=40.0, ranks=2, missing=1).said
        'job 13 is starting on n[1-2], for 40 s: waiting for 1 of 2 ranks'
        """
        waits = f": waiting for {self.missing} of {plural(self.ranks, 'rank')}" if self.missing else ""
        return f"job {self.job} is starting on {self.nodes}, for {duration(self.seconds)}{waits}"


def starting(
    sight: Sight, packs: Packs, states: Mapping[str, str], jobs: Path, now: datetime
) -> list[Starting]:
    """The jobs that have not come to any of their packs since they began, those that did first before others.

    `states` are those of runs, `jobs` is the store's folder of that name.
    """
    told = {run_id: status for status in packs.statuses.values() for run_id in status.runs}

    def silent(runs: Collection[str], start: datetime | None) -> bool:
        if not any(states.get(run_id) == "queued" for run_id in runs):
            return False
        return not any(since(told[run_id], start) for run_id in runs if run_id in told)

    running = [
        (task.start or now, handed.slurm_id(index), task.nodes)
        for handed in sight.live_arrays()
        for index in range(len(handed.elements))
        if (task := sight.live.get((handed.token, index))) and task.state == "RUNNING"
        if silent(list(handed.runs(index)), task.start)
    ]
    waiting = meetings(jobs) if running else {}
    return [
        Starting(
            job=job,
            nodes=nodes,
            seconds=round(max(0.0, (now - start).total_seconds()), 1),
            ranks=waiting[job].ranks if job in waiting else 0,
            missing=waiting[job].ranks - waiting[job].here if job in waiting else 0,
        )
        for start, job, nodes in sorted(running)
    ]
