"""The probe's job: submitted, waited for, removed."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.cluster.cluster_config import Cluster
from jobs.cluster_check import node_probe
from jobs.slurm import interpreter
from jobs.slurm.client import Slurm
from jobs.slurm.environment import submitting
from jobs.slurm.sacct import PastTask
from jobs.slurm.sbatch_request import parameters, small, small_minutes
from jobs.slurm.squeue import QueuedTask
from jobs.submission.job_outcomes import ENDED
from jobs.support.hangup import interrupted_by_hangup
from jobs.worker.slurm_task import srun_args
from regularize.errors import UserError
from regularize.store import read_json

MINUTES = 5  # its time limit
# How long a shared file system, and sacct, may take to show what has happened.
LAG_SECONDS = 30.0
POLL_SECONDS = 1.0
_GOOD = ("PENDING", "RUNNING", "COMPLETED")


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came of the job: what the probe reported, or how it ended; `waiting` if it has not begun.

    `log` is the end of its log, None where there is none.
    """

    job_id: str
    there: dict[str, Any] | None = None
    past: PastTask | None = None
    waiting: str = ""
    log: str | None = None


def run(
    slurm: Slurm,
    cluster: Cluster,
    probe: node_probe.Probe,
    patience: float,
) -> Report:
    """Submit what asks for as much as a task of the sweep's jobs, and wait for its report.

    Where all tasks of a job train together, they are all tried.

    At most `patience` seconds while it waits in the queue.
    """
    asked = parameters(cluster, name="rs-check")
    asked |= {"time": min(MINUTES, cluster.time), "signal_delay_s": 0, "srun_args": srun_args("spread")}
    asked["additional_parameters"].pop("time-min", None)  # which may be longer
    if not probe.networks:
        asked |= {"nodes": 1, "ntasks_per_node": 1}
    python = interpreter.of_tasks(cluster, probe.folder, probe.data_root)
    return _seen_to_its_end(slurm, probe, asked, python, patience, "a compute node")


def run_follow_up(
    slurm: Slurm, cluster: Cluster, probe: node_probe.FollowUpProbe, most: int | None, patience: float
) -> Report:
    """As `run`, what asks for as much as the follow-up, in its place, by its Python; for `most` minutes."""
    asked = small(cluster, name="rs-check", minutes=min(MINUTES, small_minutes(cluster, most)))
    python = interpreter.of_follow_up(cluster)
    return _seen_to_its_end(slurm, probe, asked, python, patience, "where the follow-up runs")


def _seen_to_its_end(
    slurm: Slurm,
    probe: node_probe.Probe | node_probe.FollowUpProbe,
    asked: dict[str, Any],
    python: str | None,
    patience: float,
    what: str,
) -> Report:
    job_id, folder, say = _submit(probe, asked, python), probe.folder, slurm.say
    say(f"job {job_id} tries {what}")
    try:
        with interrupted_by_hangup():
            waiting = _await_end(slurm, job_id, folder, patience, say)
    except BaseException:
        slurm.cancel([job_id])
        raise
    if waiting:
        slurm.cancel([job_id])
        return Report(job_id=job_id, waiting=waiting.reason)
    return _report(slurm, job_id, folder)


def _submit(
    probe: node_probe.Probe | node_probe.FollowUpProbe, asked: dict[str, Any], python: str | None
) -> str:
    """By submitit, in the environment and through the srun of a worker.

    Raises:
        UserError: Slurm refuses, or its answer has no id.
    """
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    from jobs.slurm.parsable_executor import ParsableExecutor

    executor = ParsableExecutor(folder=probe.folder, python=python)
    executor.update_parameters(**asked)
    try:
        with submitting(), redirect_stderr(io.StringIO()):
            return str(executor.submit(probe).job_id)
    except (FailedJobError, FailedSubmissionError) as error:
        raise UserError(f"sbatch: {'; '.join(str(error).splitlines())}") from None


def _await_end(
    slurm: Slurm, job_id: str, folder: Path, patience: float, say: Callable[[str], None]
) -> QueuedTask | None:
    """None once the job has ended or reported; the job if it has not begun in time."""
    deadline, last = time.monotonic() + patience, ""
    while not _seen(folder):
        tasks = [task for task in slurm.queue([job_id]) if task.state not in ENDED]
        if not tasks:
            return None
        (task,) = tasks
        if task.state == "PENDING" and time.monotonic() > deadline:
            return task
        if task.state == "PENDING" and task.reason != "None":
            start = f", expected to start {task.start:%d %b %H:%M}" if task.start else ""
            if (words := f"{task.reason}{start}") != last:
                say(f"job {job_id} waits in the queue: {words}")
            last = words
        time.sleep(POLL_SECONDS)
    return None


def _report(slurm: Slurm, job_id: str, folder: Path) -> Report:
    deadline, past = time.monotonic() + LAG_SECONDS, None
    while not _seen(folder) and time.monotonic() < deadline:
        past = (slurm.accounting([job_id]) or (None,))[-1]
        if past and past.state not in _GOOD:
            break
        time.sleep(POLL_SECONDS)
    if _seen(folder):
        return Report(job_id=job_id, there=read_json(folder / node_probe.THERE))
    return Report(job_id=job_id, past=past, log=_last_line(folder))


def _seen(folder: Path) -> bool:
    # Listing a folder makes a network file system look again.
    return node_probe.THERE in {path.name for path in folder.iterdir()}


def _last_line(folder: Path) -> str | None:
    logs = list(folder.glob("*.out"))
    if not logs:
        return None
    lines = [line for path in logs for line in path.read_text(errors="replace").splitlines()]
    told = [line.strip() for line in lines if line.strip() and not line.startswith("srun: ")]
    return (told or [line.strip() for line in lines] or [""])[-1]
