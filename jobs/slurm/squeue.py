"""squeue and `scontrol show job`: the jobs that the controller has, a value for each element of an array."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from jobs.slurm.job_ids import indices, instant

# id, state, reason, start, end, nodes, name: the name last, as it may hold a delimiter.
FORMAT = "%i|%T|%r|%S|%e|%N|%j"
_PAIR = re.compile(r"(\S+?)=(\S*)")


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

    Lines of another form (`CLUSTER: alpha` of several clusters, a greeting) are passed over, and so are a
    federation's copies of a job that another cluster has started.
    """
    return tuple(task for line in text.splitlines() for task in _queued(line) if task.state != "REVOKED")


def parse_shown(text: str) -> tuple[QueuedTask, ...]:
    """The tasks of `scontrol --oneliner show job`."""
    return tuple(task for line in text.splitlines() for task in _shown(line) if task.state != "REVOKED")


def _queued(line: str) -> list[QueuedTask]:
    fields = line.split("|", maxsplit=6)
    with suppress(ValueError):
        return list(_tasks(*(field.strip() for field in fields))) if len(fields) == 7 else []
    return []


def _shown(line: str) -> list[QueuedTask]:
    pairs = dict(reversed(_PAIR.findall(line)))  # the first of a name: what people write stands behind
    keys = ("JobState", "Reason", "StartTime", "EndTime", "NodeList", "JobName")
    job = pairs.get("JobId", "")
    if array := pairs.get("ArrayJobId"):
        element = pairs.get("ArrayTaskId", "")
        job = f"{array}_{element}" if element.isdigit() else f"{array}_[{element}]"
    with suppress(ValueError):
        return list(_tasks(job, *(pairs.get(key, "").replace("(null)", "") for key in keys)))
    return []


def _tasks(
    job: str, state: str, reason: str, start: str, end: str, nodes: str, name: str
) -> Iterator[QueuedTask]:
    """
    Raises:
        ValueError: no job is meant, or no state or time.
    """
    job_id, elements = indices(job)
    if not state.isupper():
        raise ValueError(f"{state!r} is no state")
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
