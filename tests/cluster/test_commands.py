"""Slurm's own programs, asked and understood."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from jobs.cluster.cluster_config import Cluster
from jobs.slurm.client import Slurm
from regularize.errors import UserError
from tests.cluster.processes import wait_for
from tests.cluster.slurm import TestCluster


def test_an_array_from_the_queue_to_the_account(slurm: TestCluster) -> None:
    asked = Slurm()
    name = "odd name|with, all"
    job_id = slurm.sbatch(
        'test "$SLURM_ARRAY_TASK_ID" != 1 && sleep 60; exit 3', "--array=0-9%2", f"--job-name={name}"
    )
    slurm.wait_for_state(f"{job_id}_0", "RUNNING")
    tasks = asked.queue([job_id, "999999"])
    assert {task.index for task in tasks} >= {0, 9}
    assert {(task.job_id, task.name) for task in tasks} == {(job_id, name)}
    running = next(task for task in tasks if task.index == 0)
    assert running.start is not None
    assert abs(running.start - datetime.now(UTC)) < timedelta(minutes=5)
    assert asked.state_of(f"{job_id}_0") == "RUNNING"

    asked.cancel([f"{job_id}_9", f"{job_id}_0", "999999"])
    wait_for("two elements to go", lambda: not {0, 9} & {task.index for task in asked.queue([job_id])}, 60)

    def ends() -> dict[int | None, str]:
        return {task.index: task.state for task in asked.accounting([job_id]) or ()}

    wait_for("the account", lambda: (ends().get(0), ends().get(1)) == ("CANCELLED", "FAILED"), 60)
    failed = next(task for task in asked.accounting([job_id]) or () if task.index == 1)
    assert (failed.exit_code, failed.name, failed.attempt) == (3, name, 0)


def test_a_long_list_of_indices_is_not_cut(slurm: TestCluster) -> None:
    wanted = {number**2 for number in range(1, 31)}  # no ranges: some 100 characters, Slurm cuts at 64
    indices = ",".join(map(str, sorted(wanted)))
    job_id = slurm.sbatch("true", "--begin=now+1hour", f"--array={indices}%3")
    assert {task.index for task in Slurm().queue([job_id])} == wanted

    def recorded() -> bool:
        return {task.index for task in Slurm().accounting([job_id]) or ()} == wanted

    wait_for("the account", recorded, 60)


def test_a_requeued_job_keeps_its_id_and_has_two_attempts(slurm: TestCluster) -> None:
    asked, before = Slurm(), datetime.now(UTC) - timedelta(minutes=1)
    job_id = slurm.sbatch("sleep 60", "--requeue", "--job-name=rs-twice-1")
    slurm.wait_for_state(job_id, "RUNNING")
    asked.requeue(job_id)
    slurm.wait_for_state(job_id, "PENDING")
    (task,) = asked.queue_by_name(["rs-twice-1", "rs-other"])
    assert (task.job_id, task.state) == (job_id, "PENDING")

    def attempts() -> bool:
        found = [task.state for task in asked.accounting_by_name(["rs-twice-1"], before) or ()]
        # The second begins some seconds later, maybe before accounting has the end of the first.
        return found in (["REQUEUED", "PENDING"], ["REQUEUED", "RUNNING"])

    wait_for("the attempts", attempts, 60)


def test_jobs_that_never_were(slurm: TestCluster) -> None:
    asked = Slurm()
    assert asked.queue(["999999"]) == asked.queue(["999998", "999999"]) == ()
    assert asked.accounting(["999999"]) == ()
    assert asked.state_of("999999") == ""


def test_limits_as_they_are_set(slurm: TestCluster) -> None:
    main, short = (Cluster(kind="slurm", partition=name) for name in ("main", "short"))
    assert Slurm().limits(main).max_time is None
    assert Slurm().limits(short).max_time == 1
    slurm.set_config(MaxArraySize=5)
    slurm.set_max_submit_jobs(3)
    slurm.sbatch("sleep 60", "--array=0-1")
    found = Slurm().limits(main)
    assert (found.max_array_size, found.max_submit_jobs, found.queued_now, found.room) == (5, 3, 2, 1)


def test_without_slurmdbd_there_is_no_account_and_the_queue_is_as_it_was(slurm: TestCluster) -> None:
    job_id = slurm.sbatch("sleep 60")
    slurm.stop_accounting()
    assert Slurm().accounting([job_id]) is None
    assert [task.job_id for task in Slurm().queue([job_id])] == [job_id]
    assert Slurm().limits(Cluster(kind="slurm")).max_submit_jobs is None


def test_a_controller_that_is_down_is_waited_for(slurm: TestCluster) -> None:
    job_id = slurm.sbatch("sleep 300")
    slurm.stop_controller()
    with pytest.raises(UserError, match=r"Slurm has not answered for \d+ s"):
        Slurm(patience=0).queue([job_id])
    said: list[str] = []
    back = threading.Timer(1.0, slurm.start_controller)
    back.start()
    try:
        (task,) = Slurm(say=said.append, patience=60).queue([job_id])
    finally:
        back.join()
    assert task.job_id == job_id
    assert all("trying again in" in line for line in said)


def test_a_task_that_took_too_much_memory_is_seen_in_the_account(slurm: TestCluster) -> None:
    hog = "srun python3 -c 'import time; held = b\"x\" * 400_000_000; time.sleep(20)'"
    job_id = slurm.sbatch(hog, "--mem=100M")
    slurm.wait_for_state(job_id, "FAILED", "OUT_OF_MEMORY")

    def seen() -> bool:
        return [task.out_of_memory for task in Slurm().accounting([job_id]) or ()] == [True]

    wait_for("the account", seen, 60)
