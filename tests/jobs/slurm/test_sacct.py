"""sacct, as recorded on a Slurm 22.05: failures, a cancelled job, requeues, a lost node, too much memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from jobs.slurm.sacct import FIELDS, PastTask, parse_accounting

RECORDED = (Path(__file__).parent / "recorded" / "sacct.txt").read_text(encoding="utf-8")
TASKS = parse_accounting(RECORDED)
KB, MB = 1024, 1024**2


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
    assert (done.memory, done.used_memory, done.cpu_seconds) == (100 * 2**20, 3256 * 2**10, 0.002)
    assert done.start == datetime(2026, 11, 26, 0, 2, 12).astimezone()
    (never,) = _attempts("6")
    assert (never.start, never.nodes, never.time_limit, never.used_memory) == (None, "", None, None)
    (late,) = _attempts("15")
    assert late.time_limit == 1


def test_too_much_memory_is_seen_with_cgroups_and_without() -> None:
    (hog,) = _attempts("3")
    assert (hog.state, hog.exit_code, hog.used_memory) == ("FAILED", 9, 317776 * 2**10)
    assert hog.out_of_memory
    assert replace(hog, state="OUT_OF_MEMORY", used_memory=None).out_of_memory
    assert not replace(hog, used_memory=1).out_of_memory
    assert [task.job_id for task in TASKS if task.out_of_memory] == ["3"]
    (step,) = parse_accounting(
        _line(JobID="9", State="FAILED", ExitCode="1:0")
        + _line(JobID="9.batch", State="FAILED", ExitCode="1:0")
        + _line(JobID="9.0", State="OUT_OF_MEMORY", ExitCode="0:125")
    )
    assert (step.state, step.out_of_memory) == ("OUT_OF_MEMORY", True)


@pytest.mark.parametrize(
    ("job", "step", "asked", "used"),
    [
        # Slurm 22.05, two nodes of 600M with two tasks each, as recorded: the job's total, one task's RSS.
        (
            {"ReqMem": "1200M", "AllocNodes": "2", "AllocCPUS": "4"},
            {"MaxRSS": "113264K", "TRESUsageInTot": "cpu=00:00:02,energy=0,mem=452920K", "NTasks": "4"},
            600 * MB,
            2 * 113264 * KB,
        ),
        # One node, three tasks of which one is large.
        (
            {"ReqMem": "600M", "AllocNodes": "1", "AllocCPUS": "3"},
            {"MaxRSS": "369304K", "TRESUsageInTot": "cpu=00:00:02,mem=500000K", "NTasks": "3"},
            600 * MB,
            500000 * KB,
        ),
        # Of two tasks on two nodes no node had more than the larger one.
        (
            {"ReqMem": "1200M", "AllocNodes": "2", "AllocCPUS": "2"},
            {"MaxRSS": "413140K", "TRESUsageInTot": "mem=818156K", "NTasks": "2"},
            600 * MB,
            413140 * KB,
        ),
        # Before 21.08, a node and a CPU; sums were not recorded.
        (
            {"ReqMem": "600Mn", "AllocNodes": "2", "AllocCPUS": "4"},
            {"MaxRSS": "2M", "NTasks": "4"},
            600 * MB,
            4 * MB,
        ),
        (
            {"ReqMem": "1Gc", "AllocNodes": "2", "AllocCPUS": "8"},
            {"MaxRSS": "2M", "NTasks": "8"},
            4096 * MB,
            8 * MB,
        ),
        # Before it begins it has no nodes.
        ({"ReqMem": "1Gc", "AllocNodes": "0", "AllocCPUS": "0"}, {}, None, None),
    ],
)
def test_memory_is_of_a_node(
    job: dict[str, str], step: dict[str, str], asked: int | None, used: int | None
) -> None:
    step = {"JobID": "9.0", "AllocNodes": job["AllocNodes"]} | step
    (task,) = parse_accounting(_line(JobID="9", State="FAILED", **job) + _line(**step))
    assert (task.memory, task.used_memory) == (asked, used)


def test_a_kill_for_memory_is_seen_where_no_task_alone_took_too_much() -> None:
    """Two tasks of 350M on each of two nodes of 600M; Slurm's own polling calls it no more than a kill."""
    job = _line(JobID="9", State="FAILED", ExitCode="137:0", ReqMem="1200M", AllocNodes="2", AllocCPUS="4")
    step = {"JobID": "9.0", "State": "CANCELLED", "ExitCode": "0:9", "AllocNodes": "2", "NTasks": "4"}
    (task,) = parse_accounting(job + _line(**step, MaxRSS="360000K", TRESUsageInTot="mem=1440000K"))
    assert task.out_of_memory
    (task,) = parse_accounting(job + _line(**step, MaxRSS="260000K", TRESUsageInTot="mem=1040000K"))
    assert not task.out_of_memory


def test_before_a_step_has_ended_its_cpu_time_is_not_known() -> None:
    row = {"ReqMem": "600M", "AllocNodes": "1", "AllocCPUS": "1", "ElapsedRaw": "5"}
    (task,) = parse_accounting(_line(JobID="9", State="RUNNING", TotalCPU="00:00:00", **row))
    assert task.cpu_seconds is None


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
    assert (tasks[2].gpu_percent, tasks[2].used_memory) == (87.0, 2 * 2**30)
    assert tasks[4].gpu_percent is None


@pytest.mark.parametrize("asked", ["0", "0n", "0c", "0M"])
def test_a_job_that_may_take_all_of_its_nodes_memory_is_not_over_it(asked: str) -> None:
    """As by `--mem=0`; it was killed by somebody."""
    values = dict.fromkeys(FIELDS, "") | {"JobID": "13", "State": "FAILED", "ExitCode": "0:9"}
    step = values | {"JobID": "13.0", "MaxRSS": "300K", "NTasks": "1"}
    rows = values | {"ReqMem": asked, "AllocCPUS": "2", "AllocNodes": "1"}, step
    (task,) = parse_accounting("\n".join("|".join(row.values()) for row in rows))
    assert (task.memory, task.used_memory, task.out_of_memory) == (None, 300 * KB, False)


@pytest.mark.parametrize(
    "garbage",
    [
        {"NTasks": "x", "MaxRSS": "1K"},
        {"MaxRSS": "1.2.3K", "NTasks": "1"},
        {"MaxRSS": "9" * 400 + "P", "NTasks": "1"},
        {"MaxRSS": "1K", "NTasks": "1", "AllocNodes": "%$"},
        {"MaxRSS": "1K", "NTasks": "\N{SUPERSCRIPT TWO}"},
        {"TRESUsageInAve": "gres/gpuutil=1.2.3"},
        {"MaxRSS": "1M", "NTasks": "1", "TRESUsageInTot": "mem=1.2.3M"},
    ],
)
def test_garbage_in_the_row_of_a_step_is_no_more_than_a_step_without_numbers(garbage: dict[str, str]) -> None:
    good = _line(JobID="9.1", MaxRSS="1M", NTasks="1")
    (task,) = parse_accounting(_line(JobID="9", State="COMPLETED") + _line(JobID="9.0", **garbage) + good)
    assert (task.state, task.used_memory, task.gpu_percent) == ("COMPLETED", MB, None)


def test_the_steps_of_a_job_whose_row_is_garbage_are_nobodys() -> None:
    rows = _line(JobID="8", State="FAILED") + _line(JobID="9", State="FAILED", ElapsedRaw="x")
    (task,) = parse_accounting(rows + _line(JobID="9.0", State="OUT_OF_MEMORY", MaxRSS="9G", NTasks="1"))
    assert (task.job_id, task.state, task.used_memory) == ("8", "FAILED", None)
