"""The processes of an element as `srun` starts them, without Slurm: submitit's own program."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from submitit.core.utils import DelayedSubmission

from jobs.worker.slurm_task import Element, Task
from regularize.store import Store

ROOT = Path(__file__).parents[2]
JOB = "7_0"
# What `python -m submitit.core._submit` does.
SUBMITIT = "from submitit.core.submission import submitit_main; submitit_main()"


class Processes:
    """Those of one attempt at an element; only these `ranks` of them if some are given.

    `first` is Python that each runs before anything else.
    """

    def __init__(
        self,
        task: Task,
        element: Element,
        count: int,
        *,
        ranks: Iterable[int] | None = None,
        first: str = "",
        **environment: str,
    ) -> None:
        self._logs = logs = task.folder / "logs"
        logs.mkdir(exist_ok=True)
        DelayedSubmission(task, element).dump(logs / f"{JOB}_submitted.pkl")
        self.jobs = Store(task.folder).jobs
        self.jobs.mkdir(mode=0o700, exist_ok=True)
        # What a shell has for other programs is nothing to the ranks of a job.
        environment = {"MASTER_ADDR": "nowhere.invalid", "MASTER_PORT": "1", "RANK": "9"} | environment
        self.running = [_start(logs, rank, count, first, environment) for rank in ranks or range(count)]

    def exit_codes(self, seconds: float = 300) -> list[int]:
        return [process.wait(seconds) for process in self.running]

    def errors(self, rank: int) -> str:
        """What a process has said, in this attempt and those before."""
        return _log(self._logs, rank).read_text(encoding="utf-8")

    def again(self, requeues: int = 0) -> bool:
        """Whether ranks that train together asked for the job to be queued again; forgotten then."""
        path = self.jobs / f"{JOB}-{requeues}" / "again"
        there = path.exists()
        path.unlink(missing_ok=True)
        return there

    def kill(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()


def _log(logs: Path, rank: int) -> Path:
    return logs / f"{JOB}_{rank}_log.err"


def _start(
    logs: Path, rank: int, count: int, first: str, environment: dict[str, str]
) -> subprocess.Popen[str]:
    array, _, index = JOB.partition("_")
    slurm = {
        "SUBMITIT_EXECUTOR": "slurm",
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_ARRAY_JOB_ID": array,
        "SLURM_ARRAY_TASK_ID": index,
        "SLURM_NTASKS": str(count),
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_JOB_NODELIST": "localhost",
        "SLURM_NODEID": "0",
        "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": str(rank),
    }
    with _log(logs, rank).open("a", encoding="utf-8") as log:
        return subprocess.Popen(
            [sys.executable, "-c", f"{first}\n{SUBMITIT}", str(logs)],
            env=os.environ | slurm | {"PYTHONPATH": str(ROOT)} | environment,
            stdout=log,
            stderr=log,
            text=True,
        )
