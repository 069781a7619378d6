"""squeue: the jobs that Slurm has in its queue, one value for each element of an array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from jobs.slurm.job_ids import indices, instant

# id, state, reason, start, end, nodes, name: the name last, as it may hold a delimiter.
FORMAT = "%i|%T|%r|%S|%e|%N|%j"


@dataclass(frozen=True, kw_only=True)
class QueuedTask:
    """A job in the queue, or one element of an array (`index`).

    `start` is the expected one while it is pending, None where Slurm does not know; `end` is when its
    time limit is reached. `reason` is why it is pending, `None` where there is none.
    """

    job_id: str
    index: int | None
    state: str
    reason: str
    start: datetime | None
    end: datetime | None
    nodes: str
    name: str


def parse_queue(text: str) -> tuple[QueuedTask, ...]:
    """The tasks of squeue's output in `FORMAT`, without its header.

    Lines of another form (`CLUSTER: alpha` of several clusters) are passed over, and so are a
    federation's copies of a job that another cluster has started.
    """
    return tuple(task for line in text.splitlines() for task in _tasks(line) if task.state != "REVOKED")


def _tasks(line: str) -> Iterator[QueuedTask]:
    fields = line.split("|", maxsplit=6)
    if len(fields) < 7:
        return
    job, state, reason, start, end, nodes, name = (field.strip() for field in fields)
    job_id, elements = indices(job)
    for index in elements:
        yield QueuedTask(
            job_id=job_id,
            index=index,
            state=state,
            reason=reason,
            start=instant(start),
            end=instant(end),
            nodes=nodes,
            name=name,
        )
