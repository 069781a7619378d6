"""The test cluster itself: that what the other tests of this folder rest on is really there."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cluster.machines import MEMORY_GROUPS
from tests.cluster.processes import wait_for
from tests.cluster.settings import NODES
from tests.cluster.slurm import TestCluster


def test_four_nodes_are_idle_and_know_each_other(slurm: TestCluster) -> None:
    assert slurm.node_states() == dict.fromkeys(NODES, "idle")
    output = slurm.run("srun", "-N4", "sh", "-c", "echo $SLURMD_NODENAME $(hostname); getent hosts n4 >&2")
    assert sorted(output.splitlines()) == [f"{name} {name}" for name in NODES]


def test_an_array_runs_and_is_accounted_for(slurm: TestCluster) -> None:
    job_id = slurm.sbatch("exit $((SLURM_ARRAY_TASK_ID == 2))", "--array=0-2")
    slurm.wait_until_idle(60)

    def ended() -> list[str]:
        lines = slurm.run("sacct", "-X", "-n", "-P", "-o", "JobID,State,ExitCode", "-j", job_id).splitlines()
        return lines if len(lines) == 3 and not any("RUNNING" in line for line in lines) else []

    assert wait_for("three ended tasks in sacct", ended) == [
        f"{job_id}_0|COMPLETED|0:0",
        f"{job_id}_1|COMPLETED|0:0",
        f"{job_id}_2|FAILED|1:0",
    ]


def test_the_high_partition_preempts_the_low_one(slurm: TestCluster) -> None:
    low = slurm.sbatch("echo $SLURM_RESTART_COUNT; sleep 3", "--partition=low", "-N4", "--exclusive")
    slurm.wait_for_state(low, "RUNNING")
    high = slurm.sbatch("true", "--partition=high", "-N4", "--exclusive")
    slurm.wait_for_state(high, "COMPLETED")
    slurm.wait_until_idle(60)
    assert slurm.state(low) == "COMPLETED"
    assert "Restarts=1" in slurm.run("scontrol", "show", "job", low)


def test_a_killed_node_is_down_its_job_requeued_and_the_node_returns(slurm: TestCluster) -> None:
    job_id = slurm.sbatch("sleep 2; hostname", "--nodelist=n2")
    slurm.wait_for_state(job_id, "RUNNING")
    slurm.kill_node("n2")
    wait_for("n2 to be down", lambda: slurm.node_states()["n2"] == "down", 60)
    slurm.restart_node("n2")
    slurm.wait_until_idle(60)
    assert slurm.state(job_id) == "COMPLETED"


def test_too_much_memory_is_the_end(slurm: TestCluster) -> None:
    greedy = "import time; held = b'1' * 300_000_000; time.sleep(20)"
    job_id = slurm.sbatch(f'srun {sys.executable} -c "{greedy}"', "--mem=100M")
    slurm.wait_until_idle(60)
    assert slurm.state(job_id) == "FAILED"  # only its step says why
    expected = "OUT_OF_MEMORY" if slurm.kernel_kills else "CANCELLED by 0"

    def step() -> str:
        lines = slurm.run("sacct", "-n", "-P", "-o", "JobID,State", "-j", job_id).splitlines()
        return dict(line.split("|") for line in lines).get(f"{job_id}.0", "")

    wait_for("the step in sacct", lambda: step() == expected, 10)


def test_limits_can_be_set(slurm: TestCluster) -> None:
    slurm.set_config(MaxArraySize=5)
    with pytest.raises(RuntimeError, match="Invalid job array specification"):
        slurm.sbatch("true", "--array=0-5")
    slurm.set_max_submit_jobs(3)
    with pytest.raises(RuntimeError, match="AssocMaxSubmitJobLimit"):
        slurm.sbatch("true", "--array=0-3")
    slurm.sbatch("true", "--array=0-2")
    slurm.tidy()
    slurm.sbatch("true", "--array=0-5")


def test_daemons_can_be_stopped(slurm: TestCluster) -> None:
    slurm.stop_controller()
    with pytest.raises(RuntimeError, match="Unable to contact slurm controller"):
        slurm.run("squeue")
    slurm.stop_accounting()
    with pytest.raises(RuntimeError, match="Connection refused"):
        slurm.run("sacct")
    slurm.tidy()
    assert slurm.run("squeue", "-h") == ""


@pytest.mark.parametrize("host", ["test-login", "test-behind-jump"])
def test_ssh_reaches_a_login_node_that_has_slurm(cluster: TestCluster, host: str) -> None:
    output = cluster.run(
        "ssh", "-F", f"{cluster.folder}/ssh/config", host, "hostname; sinfo -h -o %D -p main"
    )
    assert output.split() == ["login", "4"]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None])
def test_nothing_is_left_when_its_process_ends(cluster: TestCluster, end: signal.Signals | None) -> None:
    inside = "sbatch --wrap 'sleep 99' >&2; echo started; cat"
    command = [sys.executable, "-m", "tests.cluster", "sh", "-c", inside]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        folder = None
        while (line := process.stdout.readline()) != "started\n":
            found = re.search(r"/\S*/slurm-\w+", line)
            folder = Path(found[0]) if found else folder
        assert folder
        assert folder.exists()
        if end:
            process.send_signal(end)
    wait_for("the folder's removal", lambda: not folder.exists(), 20)
    wait_for("the end of its processes", lambda: not _commands_with(str(folder)), 5)
    assert str(folder) not in Path("/proc/mounts").read_text()
    assert not (MEMORY_GROUPS / folder.name).exists()


def _commands_with(word: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found.append((process / "cmdline").read_text())
    return [command for command in found if word in command]
