"""What may befall a sweep in training on a Slurm, each done to the throwaway cluster; says what it was."""

from __future__ import annotations

import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.store.journal import read_journal
from tests.cluster.processes import wait_for
from tests.cluster.slurm import TestCluster
from tests.cluster.test_harm import tasks_of
from tests.cluster.trial import ONE_PROCESS, Trial

Kind = Callable[[TestCluster, Trial, random.Random], str]
PROGRAM = "import sys; from jobs.commands.cli import main; sys.exit(main())"
ANSWERS = {"nothing": "exit 0", "garbage": "echo '%$|x|RUNNING|1_[|'; exit 0", "late": "sleep 2"}
SHIM = """\
#!/bin/sh
test -e {folder}/lying || exec {program} "$@"
{answer}
exec {program} "$@"
"""


def kill_submit(slurm: TestCluster, trial: Trial, chance: random.Random) -> str:
    """In the middle of a further submission, after what it finds was cancelled."""
    trial.regularize("cancel")
    process = _start(trial)
    time.sleep(chance.uniform(1, 8))
    process.kill()
    process.wait()
    return "a submission killed"


def submit_twice(slurm: TestCluster, trial: Trial, chance: random.Random) -> str:
    trial.regularize("cancel")
    for process in [_start(trial), _start(trial)]:
        process.wait(timeout=240)
    return "two submissions at once"


def kill_worker(slurm: TestCluster, trial: Trial, chance: random.Random) -> str:
    os.kill(chance.choice(tasks_of(trial.store)), signal.SIGKILL)
    return "a worker killed"


def scancel(slurm: TestCluster, trial: Trial, chance: random.Random) -> str:
    slurm.run("scancel", _array(trial))
    return "scancel"


def requeue(slurm: TestCluster, trial: Trial, chance: random.Random) -> str:
    slurm.run("scontrol", "requeue", _array(trial))
    return "scontrol requeue"


def requeue_hold(slurm: TestCluster, trial: Trial, chance: random.Random) -> str:
    slurm.run("scontrol", "requeuehold", _array(trial))
    _look(trial)
    wait_for("the job to be held", lambda: slurm.state(_array(trial)) == "PENDING", 60)
    slurm.run("scontrol", "release", _array(trial))
    return "a job held and released"


def restart_controller(slurm: TestCluster, trial: Trial, chance: random.Random) -> str:
    slurm.stop_controller()
    time.sleep(chance.uniform(0, 3))
    slurm.start_controller()
    return "the controller restarted"


def drain(slurm: TestCluster, trial: Trial, chance: random.Random) -> str:
    nodes = f"nodename={chance.choice(('n1', 'n[1-4]'))}"
    slurm.run("scontrol", "update", nodes, "state=drain", "reason=test")
    _look(trial)
    slurm.run("scontrol", "update", nodes, "state=resume")
    return "nodes drained"


def lose_node(slurm: TestCluster, trial: Trial, chance: random.Random) -> str:
    node = slurm.run("squeue", "--noheader", "--states=RUNNING", "--format=%N").split()[0]
    slurm.kill_node(node)
    slurm.mark_down(node)
    return "a node lost"


def second_worker(slurm: TestCluster, trial: Trial, chance: random.Random) -> str:
    """Another job is told to train the very pack that is being trained: it leaves it alone, and says so."""
    words = [sys.executable, "-c", ONE_PROCESS, str(trial.store.folder), json.dumps(trial.packs())]
    job_id = slurm.sbatch(shlex.join([*words, str(trial.data_root)]), "--mem=900M")
    slurm.wait_for_state(job_id, "COMPLETED", "FAILED", seconds=90)
    (log,) = (slurm.folder / "output").glob(f"{job_id}_*.out")
    assert "it is left alone" in log.read_text(encoding="utf-8"), log.read_text(encoding="utf-8")
    return "a second worker at the same pack"


def lie(slurm: TestCluster, trial: Trial, chance: random.Random) -> str:
    """squeue, sacct or both answer nothing, garbage or late: to status, submit and the follow-up."""
    programs = chance.choice((["squeue"], ["sacct"], ["squeue", "sacct"]))
    how = chance.choice(sorted(ANSWERS))
    folder = trial.sweep.parent
    for program in programs:
        _shim(folder, program, ANSWERS[how])
    (folder / "lying").touch()
    with lying(folder):
        _look(trial)
        trial.submit()
    if chance.random() < 0.5:
        how += ", also to the follow-up"
    else:
        (folder / "lying").unlink()
    return f"{' and '.join(programs)} answer {how}"


KINDS: tuple[Kind, ...] = (
    lie, kill_submit, kill_worker, scancel, requeue, lie, requeue_hold, restart_controller, drain, lose_node,
    submit_twice, lie, second_worker,
)  # fmt: skip


@contextmanager
def lying(folder: Path) -> Iterator[None]:
    """With a folder's programs before Slurm's."""
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder / 'bin'}:{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


def _shim(folder: Path, program: str, answer: str) -> None:
    path = folder / "bin" / program
    path.parent.mkdir(exist_ok=True)
    path.write_text(SHIM.format(folder=folder, program=shutil.which(program), answer=answer), "utf-8")
    path.chmod(0o755)


def _look(trial: Trial) -> None:
    said = trial.regularize("status")
    assert said.code == 0, said


def _array(trial: Trial) -> str:
    return str(read_journal(trial.store.journal).arrays[-1].job_id)


def _start(trial: Trial) -> subprocess.Popen[bytes]:
    words = ["submit", str(trial.sweep), "--store", str(trial.root), *trial.submit_options]
    silent = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *words], stdout=silent, stderr=silent)
