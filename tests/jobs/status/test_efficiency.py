from __future__ import annotations

from typing import Any

import pytest

from jobs.cluster.cluster_config import Cluster
from jobs.slurm.sacct import PastTask
from jobs.status.efficiency import advice, uses

GB = 1024**3


def past(job_id: str = "13", **values: Any) -> PastTask:
    """An attempt of an hour on two CPUs that used one of them, and half of its memory."""
    fields: dict[str, Any] = dict.fromkeys(("start", "end", "gpu_percent"))
    fields |= {"job_id": job_id, "index": 0, "attempt": 0, "name": "", "state": "COMPLETED", "exit_code": 0}
    fields |= {
        "signal": 0,
        "elapsed": 3600,
        "nodes": "n1",
        "reason": "",
        "max_rss": GB,
        "cpu_seconds": 3600.0,
    }
    fields |= {"cpu_seconds": 3600.0}
    return PastTask(**fields | {"memory": 2 * GB, "cpus": 2, "node_count": 1, "time_limit": 90} | values)


def said(*tasks: PastTask, **cluster: Any) -> list[str]:
    return list(advice(uses(tasks, 1), Cluster(kind="slurm", threads=4, **cluster)))


def test_attempts_are_added_up_for_each_array() -> None:
    first, second = uses([past(), past(index=1, cpu_seconds=7200.0), past("9", elapsed=0), past("14")], 2)
    assert (first.job_id, first.attempts, first.seconds, first.cpu) == ("13", 2, 7200, 0.75)
    assert (first.memory, first.memory_share) == (2 * GB, 1.0)  # two tasks of a node
    assert second.job_id == "14"


def test_what_was_not_recorded_is_not_judged() -> None:
    (use,) = uses([past(max_rss=None, memory=None)], 1)
    assert (use.memory, use.memory_share, use.gpu_percent) == (None, None, None)
    assert said(past(max_rss=None, memory=None)) == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"cpu_seconds": 900.0}, "busy for 12% of the time at most: lower cpus_per_task"),
        ({"max_rss": GB // 4}, "memory of 300M would do"),
        ({"max_rss": int(1.9 * GB)}, "95% of the memory was used"),
        ({"gpu_percent": 10.0}, "GPUs were busy for 10 %"),
        ({"time_limit": 600}, "the longest job took 1 h: a shorter time limit starts sooner"),
    ],
)
def test_advice(values: dict[str, Any], words: str) -> None:
    (line,) = said(past(**values))
    assert words in line


def test_short_jobs_say_nothing_of_cpus_and_time() -> None:
    assert said(past(elapsed=20, cpu_seconds=1.0, time_limit=600)) == []
