"""What jobs of several tasks and nodes asked for and used: Slurm's record against what `ps` saw there."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.slurm.client import Slurm
from jobs.status.efficiency import uses
from tests.cluster.processes import wait_for
from tests.cluster.slurm import TestCluster

SHAPES = [(nodes, tasks) for nodes in (1, 2) for tasks in (1, 2, 3)]
MB = 1024**2
# Takes memory and a core for two seconds or more, then writes what `ps` says.
HUNGRY = """\
import os, subprocess, time
kept, began = bytearray(int(os.environ["MB"]) << 20), time.process_time()
while time.process_time() - began < 2:
    pass
out = subprocess.run(["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, text=True).stdout
path = os.path.join(os.environ["OUT"], os.environ["SLURM_NODEID"] + "-" + os.environ["SLURM_PROCID"])
open(path, "w").write(out)
time.sleep(2)
"""


def test_memory_and_cpu_of_every_shape_and_a_kill_that_no_task_alone_explains(
    slurm: TestCluster, tmp_path: Path
) -> None:
    (tmp_path / "hungry.py").write_text(HUNGRY)
    jobs, folders = {}, {}
    for nodes, tasks in SHAPES:
        folder = folders[nodes, tasks] = tmp_path / f"{nodes}-{tasks}"
        folder.mkdir()
        command = f"srun env MB=80 OUT={folder} python3 {tmp_path / 'hungry.py'}"
        shape = (f"--nodes={nodes}", f"--ntasks-per-node={tasks}", "--cpus-per-task=1", "--mem=600M")
        jobs[nodes, tasks] = slurm.sbatch(command, *shape)
    more = f"srun env MB=350 OUT={tmp_path} python3 {tmp_path / 'hungry.py'}"
    killed = slurm.sbatch(more, "--nodes=2", "--ntasks-per-node=2", "--mem=600M")
    pending = slurm.sbatch("true", "--nodes=4", "--exclusive", "--hold")
    slurm.wait_for_state(killed, "FAILED", "OUT_OF_MEMORY", "CANCELLED", seconds=180)
    for job in jobs.values():
        slurm.wait_for_state(job, "COMPLETED", seconds=180)
    slurm.run("scancel", pending)
    every = [*jobs.values(), killed]

    def recorded() -> bool:
        past = Slurm().accounting(every) or ()
        return len(past) == len(every) and all(task.used_memory for task in past)

    wait_for("the accounts", recorded, 60)
    past = {task.job_id: task for task in Slurm().accounting(every) or ()}
    for (nodes, tasks), job in jobs.items():
        (use,) = uses([past[job]])
        a_node = max(
            sum(1024 * int(path.read_text()) for path in folders[nodes, tasks].glob(f"{node}-*"))
            for node in range(nodes)
        )
        assert use.memory == pytest.approx(a_node, rel=0.1), (nodes, tasks)
        assert use.memory_asked == 600 * MB
        assert use.memory_share == pytest.approx(a_node / (600 * MB), rel=0.1)
        cpus = nodes * tasks
        assert past[job].cpus == cpus
        assert 2 / max(use.longest, 1) * 0.9 <= (use.cpu or 0) <= 1
    assert past[killed].out_of_memory
    assert past[killed].memory == 600 * MB
