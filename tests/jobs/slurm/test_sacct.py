"""sacct, as recorded on a Slurm 22.05: failures, a cancelled job, requeues, a lost node, too much memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from jobs.slurm.sacct import FIELDS, PastTask, parse_accounting

RECORDED = (Path(__file__).parent / "recorded" / "sacct.txt").read_text(encoding="utf-8")
TASKS = parse_accounting(RECORDED)


def _attempts(job_id: str, index: int | None = None) -> list[PastTask]:
    return [task for task in TASKS if (task.job_id, task.index) == (job_id, index)]


@pytest.mark.parametrize(
    ("job_id", "index", "states"),
    [
        ("1", None, ["FAILED"]),
        ("2", 0, ["COMPLETED"]),
        ("2", 7, []),  # cancelled while it was pending: Slurm keeps no account of such an element
        ("4", None, ["REQUEUED", "RUNNING"]),
        ("5", None, ["CANCELLED"]),  # printed as `CANCELLED by 0`
        ("6", None, ["CANCELLED"]),  # before it began
        ("8", None, ["PENDING"]),
        ("13", 1, ["NODE_FAIL"]),
        ("14", None, ["NODE_FAIL", "PENDING"]),
        ("15", None, ["TIMEOUT"]),
    ],
)
def test_every_attempt_in_the_order_of_time(job_id: str, index: int | None, states: list[str]) -> None:
    attempts = _attempts(job_id, index)
    assert [task.state for task in attempts] == states
    assert [task.attempt for task in attempts] == list(range(len(states)))


def test_how_it_ended_and_what_it_used() -> None:
    (failed,), (killed,) = _attempts("1"), _attempts("7")
    assert (failed.exit_code, failed.signal, failed.name) == (3, 0, "odd|name with spaces")
    assert (killed.exit_code, killed.signal) == (0, 9)
    (done,) = _attempts("2", 0)
    assert (done.elapsed, done.nodes, done.cpus, done.node_count) == (15, "n1", 1, 1)
    assert (done.memory, done.max_rss, done.cpu_seconds) == (100 * 2**20, 3256 * 2**10, 0.002)
    assert done.start == datetime(2026, 11, 26, 0, 2, 12).astimezone()
    (never,) = _attempts("6")
    assert (never.start, never.nodes, never.time_limit, never.max_rss) == (None, "", None, None)
    (late,) = _attempts("15")
    assert late.time_limit == 1


def test_too_much_memory_is_seen_with_cgroups_and_without() -> None:
    (hog,) = _attempts("3")
    assert (hog.state, hog.exit_code, hog.max_rss) == ("FAILED", 9, 317776 * 2**10)
    assert hog.out_of_memory
    assert replace(hog, state="OUT_OF_MEMORY", max_rss=None).out_of_memory
    assert not replace(hog, max_rss=1).out_of_memory
    assert [task.job_id for task in TASKS if task.out_of_memory] == ["3"]
    (step,) = parse_accounting(
        _line(JobID="9", State="FAILED", ExitCode="1:0")
        + _line(JobID="9.batch", State="FAILED", ExitCode="1:0")
        + _line(JobID="9.0", State="OUT_OF_MEMORY", ExitCode="0:125")
    )
    assert (step.state, step.out_of_memory) == ("OUT_OF_MEMORY", True)


def test_an_empty_account() -> None:
    assert parse_accounting("") == ()


def _line(**values: str) -> str:
    empty = dict.fromkeys(FIELDS, "") | {"ExitCode": "0:0", "NodeList": "None assigned"}
    return "|".join((empty | values).values()) + "\n"


def test_ranges_federations_and_the_gpus_of_steps() -> None:
    text = (
        _line(JobID="67108877_[4-5%2]", State="PENDING")
        + _line(JobID="67108877_3", State="REVOKED")
        + _line(JobID="67108877_2", State="COMPLETED")
        + _line(JobID="67108877_2.batch", MaxRSS="1M", TRESUsageInAve="cpu=1,gres/gpuutil=12")
        + _line(JobID="67108877_2.0", MaxRSS="2G", TRESUsageInAve="gres/gpumem=5G,gres/gpuutil=87")
    )
    tasks = {task.index: task for task in parse_accounting(text)}
    assert list(tasks) == [4, 5, 2]
    assert (tasks[2].gpu_percent, tasks[2].max_rss) == (87.0, 2 * 2**30)
    assert tasks[4].gpu_percent is None
