from __future__ import annotations

from typing import Any

import pytest

from jobs.cluster.cluster_config import Cluster
from jobs.slurm.sacct import PastTask
from jobs.status.efficiency import advice, peaks, uses
from jobs.store.pack_status import Packs
from tests.jobs.stores import status

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
        "used_memory": GB,
        "cpu_seconds": 3600.0,
    }
    fields |= {"cpu_seconds": 3600.0}
    return PastTask(**fields | {"memory": 2 * GB, "cpus": 2, "node_count": 1, "time_limit": 90} | values)


def said(*tasks: PastTask, **cluster: Any) -> list[str]:
    return list(advice(uses(tasks), Cluster(kind="slurm", threads=4, **cluster)))


def test_attempts_are_added_up_for_each_array() -> None:
    first, second = uses([past(), past(index=1, cpu_seconds=7200.0), past("9", elapsed=0), past("14")])
    assert (first.job_id, first.attempts, first.seconds, first.cpu) == ("13", 2, 7200, 0.75)
    assert (first.memory, first.memory_share) == (GB, 0.5)
    assert second.job_id == "14"


def test_what_was_not_recorded_is_not_judged() -> None:
    (use,) = uses([past(used_memory=None, memory=None)])
    assert (use.memory, use.memory_share, use.gpu_percent) == (None, None, None)
    assert said(past(used_memory=None, memory=None)) == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"cpu_seconds": 900.0}, "busy for 12% of the time at most: lower cpus_per_task"),
        ({"used_memory": GB // 4}, "of memory a node was used: memory of 300M would do"),
        ({"used_memory": int(1.9 * GB)}, "95% of the memory was used"),
        ({"gpu_percent": 10.0}, "GPUs were busy for 10 %"),
        ({"time_limit": 600}, "the longest job took 1 h: a shorter time limit starts sooner"),
    ],
)
def test_advice(values: dict[str, Any], words: str) -> None:
    (line,) = said(past(**values))
    assert words in line


def test_a_job_killed_for_memory_had_used_what_it_asked_for_whatever_was_seen_of_it() -> None:
    seen = past(used_memory=GB // 4), past(index=1, used_memory=GB // 4, state="OUT_OF_MEMORY")
    (line,) = said(*seen)
    assert line.startswith("100% of the memory was used: ask for 2700M")
    (use,) = uses(seen, {"13": GB // 2})  # the packs of the job that was not killed
    assert use.memory == use.memory_asked == 2 * GB


def test_short_jobs_say_nothing_of_cpus_and_time() -> None:
    assert said(past(elapsed=20, cpu_seconds=1.0, time_limit=600)) == []


def test_of_a_job_that_runs_nothing_is_known_and_nothing_advised() -> None:
    running = past(state="RUNNING", cpu_seconds=None, used_memory=None, time_limit=6000)
    (use,) = uses([running])
    assert (use.cpu, use.memory, use.running) == (None, None, 1)
    assert said(running) == []
    (mixed,) = uses([running, past()])
    assert mixed.cpu == 0.5, "of those that have ended"
    assert said(running, past(used_memory=GB // 4, cpu_seconds=1.0)) == []


def test_the_kernels_own_peak_is_taken_where_there_is_one() -> None:
    """What tasks of a node share is in it once."""
    packs = {
        "a": status(["a"], "done", job="13_0_0", memory=GB),
        "b": status(["b"], "running", job="13_1_0", memory=GB // 2),
        "c": status(["c"], "done", job="14_0", memory=0),
        "d": status(["d"], "done"),
    }
    assert peaks(Packs(packs)) == {"13": GB}
    (use,) = uses([past(used_memory=2 * GB)], peaks(Packs(packs)))
    assert (use.memory, use.memory_share) == (GB, 0.5)
