"""What Slurm was asked for against what was used, from its accounting, and what to ask for instead. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from jobs.cluster.cluster_config import Cluster
from jobs.slurm.sacct import PastTask
from jobs.support.readable_numbers import duration, size

LOW_CPU, LOW_MEMORY, HIGH_MEMORY, LOW_GPU, SHORT_TIME = 0.5, 0.4, 0.9, 30.0, 0.25
MARGIN = 1.3  # of memory to ask for, relative to what was used
SETTLED_SECONDS = 300  # of a job; below it, starting up is most of it


@dataclass(frozen=True, kw_only=True)
class Use:
    """What all attempts at one array used. Shares are in [0, 1], None where nothing was recorded.

    `memory` is in bytes a node: the largest task's, times the tasks of a node.
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

    @property
    def memory_share(self) -> float | None:
        return self.memory / self.memory_asked if self.memory and self.memory_asked else None

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {"memory_share": self.memory_share}


def uses(past: Sequence[PastTask], tasks_per_node: int) -> list[Use]:
    """One for each array, in the order of their ids; attempts that have not begun do not count."""
    begun = [task for task in past if task.elapsed > 0]
    ids = sorted({task.job_id for task in begun}, key=int)
    return [_use(job_id, [task for task in begun if task.job_id == job_id], tasks_per_node) for job_id in ids]


def advice(found: Sequence[Use], cluster: Cluster) -> Iterator[str]:
    """What to change in the cluster's config, in words."""
    shares = [use.cpu for use in found if use.cpu is not None and use.longest >= SETTLED_SECONDS]
    if shares and max(shares) < LOW_CPU and cluster.threads > 1:
        yield f"CPUs were busy for {max(shares):.0%} of the time at most: lower cpus_per_task"
    known = [use for use in found if use.memory_share is not None]
    most = max((use.memory or 0 for use in known), default=0)
    share = max((use.memory_share or 0.0 for use in known), default=0.0)
    if most and share < LOW_MEMORY:
        yield f"at most {size(most)} of memory was used: memory of {_ask(most)} would do"
    if share > HIGH_MEMORY:
        yield f"{share:.0%} of the memory was used: ask for {_ask(most)}, or smaller packs (pack_runs)"
    gpus = [use.gpu_percent for use in found if use.gpu_percent is not None]
    if gpus and max(gpus) < LOW_GPU:
        yield f"GPUs were busy for {max(gpus):.0f} % of the time at most: larger packs (pack_runs)"
    limits = [use.time_limit * 60 for use in found if use.time_limit]
    longest = max((use.longest for use in found), default=0)
    if limits and longest >= SETTLED_SECONDS and longest < SHORT_TIME * min(limits):
        yield f"the longest job took {duration(longest)}: a shorter time limit starts sooner"


def view(found: Sequence[Use]) -> Table:
    table = Table("job", box=None, pad_edge=False)
    for name in ("attempts", "hours", "CPU", "memory", "of", "GPU"):
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


def _use(job_id: str, tasks: Sequence[PastTask], tasks_per_node: int) -> Use:
    asked = sum(task.elapsed * task.cpus for task in tasks)
    gpus = [task.gpu_percent for task in tasks if task.gpu_percent is not None]
    largest = max((task.max_rss or 0 for task in tasks), default=0)
    return Use(
        job_id=job_id,
        attempts=len(tasks),
        seconds=sum(task.elapsed for task in tasks),
        longest=max(task.elapsed for task in tasks),
        cpu=sum(task.cpu_seconds for task in tasks) / asked if asked else None,
        memory=largest * tasks_per_node or None,
        memory_asked=max((task.memory or 0 for task in tasks), default=0) or None,
        gpu_percent=sum(gpus) / len(gpus) if gpus else None,
        time_limit=tasks[-1].time_limit,
    )


def _ask(used: int) -> str:
    return f"{max(1, round(used * MARGIN / 1024**2 / 100)) * 100}M"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"
