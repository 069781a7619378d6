"""What Slurm was asked for against what was used, from its accounting, and what to ask for instead. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from jobs.cluster.cluster_config import Cluster
from jobs.slurm.sacct import PastTask
from jobs.store.pack_status import Packs
from jobs.support.readable_numbers import duration, size

LOW_CPU, LOW_MEMORY, HIGH_MEMORY, LOW_GPU, SHORT_TIME = 0.5, 0.4, 0.9, 30.0, 0.25
_GOING_ON = ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING")
MARGIN = 1.3  # of memory to ask for, relative to what was used
SETTLED_SECONDS = 300  # of a job; below it, starting up is most of it


@dataclass(frozen=True, kw_only=True)
class Use:
    """What all attempts at one array used. Shares are in [0, 1], None where nothing was recorded.

    `memory` is in bytes a node: the kernel's own peak of the job there where it keeps one, else what its
    tasks took together, each with the pages that they share. `running` is how many attempts have not ended,
    of which nothing is known yet but for how long.
    """

    job_id: str
    attempts: int
    seconds: int  # of all attempts
    longest: int
    cpu: float | None
    memory: int | None
    memory_asked: int | None
    gpu_percent: float | None
    time_limit: int | None  # minutes
    running: int = 0

    @property
    def memory_share(self) -> float | None:
        return self.memory / self.memory_asked if self.memory and self.memory_asked else None

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {"memory_share": self.memory_share}


def uses(past: Sequence[PastTask], peaks: Mapping[str, int] | None = None) -> list[Use]:
    """One for each array, in the order of their ids; attempts that have not begun do not count.

    `peaks` are the kernel's of jobs by their ids, in bytes a node.
    """
    begun = [task for task in past if task.elapsed > 0]
    ids = sorted({task.job_id for task in begun}, key=int)
    peaks = peaks or {}
    return [_use(job_id, [t for t in begun if t.job_id == job_id], peaks.get(job_id)) for job_id in ids]


def peaks(packs: Packs) -> dict[str, int]:
    """What jobs took of a node at most, in bytes, as far as their packs tell, by the job's id."""
    found: dict[str, int] = {}
    for status in packs.statuses.values():
        if status.job and status.memory:
            job_id = status.job.partition("_")[0]
            found[job_id] = max(status.memory, found.get(job_id, 0))
    return found


def advice(found: Sequence[Use], cluster: Cluster) -> Iterator[str]:
    """What to change in the cluster's config, in words; of jobs that have ended."""
    ended = [use for use in found if not use.running]
    shares = [use.cpu for use in ended if use.cpu is not None and use.longest >= SETTLED_SECONDS]
    if shares and max(shares) < LOW_CPU and cluster.threads > 1:
        yield f"CPUs were busy for {max(shares):.0%} of the time at most: lower cpus_per_task"
    known = [use for use in found if use.memory_share is not None]
    most = max((use.memory or 0 for use in known), default=0)
    share = max((use.memory_share or 0.0 for use in known), default=0.0)
    if most and share < LOW_MEMORY and len(ended) == len(found):
        yield f"at most {size(most)} of memory a node was used: memory of {_ask(most)} would do"
    if share > HIGH_MEMORY:
        yield f"{share:.0%} of the memory was used: ask for {_ask(most)}, or smaller packs (pack_runs)"
    gpus = [use.gpu_percent for use in ended if use.gpu_percent is not None]
    if gpus and max(gpus) < LOW_GPU:
        yield f"GPUs were busy for {max(gpus):.0f} % of the time at most: larger packs (pack_runs)"
    limits = [use.time_limit * 60 for use in ended if use.time_limit and len(ended) == len(found)]
    longest = max((use.longest for use in ended), default=0)
    if limits and longest >= SETTLED_SECONDS and longest < SHORT_TIME * min(limits):
        yield f"the longest job took {duration(longest)}: a shorter time limit starts sooner"


def view(found: Sequence[Use]) -> Table:
    table = Table("job", box=None, pad_edge=False)
    for name in ("attempts", "hours", "CPU", "memory a node", "of", "GPU"):
        table.add_column(name, justify="right")
    for use in found:
        table.add_row(
            Text(use.job_id),
            f"{use.attempts:,}",
            f"{use.seconds / 3600:.1f}",
            _percent(use.cpu),
            size(use.memory) if use.memory else "–",
            size(use.memory_asked) if use.memory_asked else "–",
            "–" if use.gpu_percent is None else f"{use.gpu_percent:.0f} %",
        )
    return table


def _use(job_id: str, tasks: Sequence[PastTask], peak: int | None) -> Use:
    told = [task for task in tasks if task.cpu_seconds and task.state not in _GOING_ON]
    asked = sum(task.elapsed * task.cpus for task in told)
    gpus = [task.gpu_percent for task in tasks if task.gpu_percent is not None]
    used = max((task.used_memory or 0 for task in tasks), default=0)
    # What was ended for memory had taken all it had, whatever Slurm or the job had seen of it by then.
    killed = max((task.memory or 0 for task in tasks if task.out_of_memory), default=0)
    return Use(
        job_id=job_id,
        attempts=len(tasks),
        seconds=sum(task.elapsed for task in tasks),
        longest=max(task.elapsed for task in tasks),
        cpu=sum(task.cpu_seconds or 0.0 for task in told) / asked if asked else None,
        memory=max(peak or used, killed) or None,
        memory_asked=max((task.memory or 0 for task in tasks), default=0) or None,
        gpu_percent=sum(gpus) / len(gpus) if gpus else None,
        time_limit=tasks[-1].time_limit,
        running=sum(task.state in _GOING_ON for task in tasks),
    )


def _ask(used: int) -> str:
    return f"{max(1, round(used * MARGIN / 1024**2 / 100)) * 100}M"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"
