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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial, update_wrapper
from pathlib import Path

import yaml

from jobs.store.journal import read_journal
from tests.cluster.processes import wait_for
from tests.cluster.slurm import TestCluster
from tests.cluster.test_harm import tasks_of
from tests.cluster.trial import ONE_PROCESS, Trial

Kind = Callable[[TestCluster, Trial, random.Random], str]
PROGRAMS = (("squeue",), ("sacct",), ("squeue", "sacct"))
# What a program's stand-in does instead of, or before, asking Slurm.
ANSWERS: Mapping[str, Sequence[str]] = {
    "nothing": ["exit 0"],
    "garbage": [
        "echo '%$|x|RUNNING|1_[|'; exit 0",
        "printf '\\377\\376\\000|||||||'; exit 0",
        "echo 'slurm_load_jobs error: Invalid user id'; exit 0",
        '{program} "$@" | head -c 17; exit 0',
        """{program} "$@" | sed '/^[0-9_]*[.]/s/[0-9.]*K|/1.2.3K|/g'; exit 0""",  # sacct's rows of steps
    ],
    "late": ["sleep 2"],
}
SHIM = """\
#!/bin/sh
test ! -e {answer} || . {answer}
exec {program} "$@"
"""


def kill_submit(slurm: TestCluster, trial: Trial, chance: random.Random) -> str:
    """In the middle of a further submission, after what it finds was cancelled."""
    trial.regularize("cancel")
    size, process = trial.store.journal.stat().st_size, _start(trial)
    if at_request := chance.random() < 0.5:
        wait_for("a request", lambda: trial.store.journal.stat().st_size > size or process.poll() is not None)
    time.sleep(chance.uniform(0, 0.5 if at_request else 3))
    process.kill()
    process.wait(timeout=60)
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
    if chance.random() < 0.5:
        trial.submit()  # while the follow-up begins
    return "scancel"


def requeue(slurm: TestCluster, trial: Trial, chance: random.Random) -> str:
    slurm.run("scontrol", "requeue", _array(trial))
    if chance.random() < 0.5:
        trial.submit()
    return "scontrol requeue"


def requeue_hold(slurm: TestCluster, trial: Trial, chance: random.Random) -> str:
    slurm.run("scontrol", "requeuehold", _array(trial))
    _look(trial)
    trial.submit()
    wait_for("the job to be held", lambda: slurm.state(_array(trial)) == "PENDING", 60)
    slurm.run("scontrol", "release", _array(trial))
    return "a job held and released"


def restart_controller(slurm: TestCluster, trial: Trial, chance: random.Random) -> str:
    """Half of them in the middle of a submission."""
    slurm.stop_controller()
    process = _start(trial) if chance.random() < 0.5 else None
    time.sleep(chance.uniform(0, 3))
    slurm.start_controller()
    if process:
        process.wait(timeout=240)
        assert process.returncode == 0
    return "the controller restarted"


def tear_journal(slurm: TestCluster, trial: Trial, chance: random.Random) -> str:
    """In its last line, as a submission is killed while the controller is away."""
    slurm.stop_controller()
    process = _start(trial)
    time.sleep(chance.uniform(0, 3))
    process.kill()
    process.wait(timeout=60)
    last = trial.store.journal.read_bytes().splitlines(keepends=True)[-1]
    with trial.store.journal.open("ab") as file:
        file.truncate(file.tell() - chance.randrange(1, len(last)))
    slurm.start_controller()
    return "a line of the journal torn while the controller was away"


def drain(slurm: TestCluster, trial: Trial, chance: random.Random) -> str:
    nodes = f"nodename={chance.choice(('n1', 'n[1-4]'))}"
    slurm.run("scontrol", "update", nodes, "state=drain", "reason=test")
    _look(trial)
    trial.submit()

    def resumed() -> bool:  # refused while the controller, just begun, has not heard of a node
        slurm.run("scontrol", "update", nodes, "state=resume", check=False)
        return not {"drained", "draining"} & {*slurm.node_states().values()}

    wait_for("nodes to resume", resumed, pause=0.5)
    return "nodes drained"


def lose_node(slurm: TestCluster, trial: Trial, chance: random.Random) -> str:
    node = slurm.run("squeue", "--noheader", "--states=RUNNING", "--format=%N").split()[0]
    slurm.kill_node(node)
    slurm.mark_down(node)
    if chance.random() < 0.5:
        trial.submit()
    return "a node lost"


def second_worker(slurm: TestCluster, trial: Trial, chance: random.Random) -> str:
    """Another job is told to train the very pack that is being trained: it leaves it alone, and says so."""
    words = [*_python(trial), "-m", ONE_PROCESS, str(trial.store.folder), json.dumps(trial.packs())]
    job_id = slurm.sbatch(shlex.join([*words, str(trial.data_root)]), "--mem=900M")
    slurm.wait_for_state(job_id, "COMPLETED", "FAILED", seconds=90)
    (log,) = (slurm.folder / "output").glob(f"{job_id}_*.out")
    said = log.read_text(encoding="utf-8")
    assert "it is left alone" in said, f"job {job_id} ended as {slurm.state(job_id)} and said: {said!r}"
    return "a second worker at the same pack"


def lie(
    slurm: TestCluster,
    trial: Trial,
    chance: random.Random,
    programs: Sequence[str] = ("squeue",),
    how: str = "nothing",
) -> str:
    """To status and submit."""
    _lie(trial, programs, chance.choice(ANSWERS[how]))
    _look(trial)
    trial.submit()
    tell_the_truth(trial)
    return f"{' and '.join(programs)} answer {how}"


def lie_to_the_follow_up(
    slurm: TestCluster,
    trial: Trial,
    chance: random.Random,
    programs: Sequence[str] = ("squeue",),
    how: str = "nothing",
) -> str:
    """As long as there is one, and to whoever looks meanwhile."""
    _lie(trial, programs, chance.choice(ANSWERS[how]))
    (trial.sweep.parent / "let_go").touch()
    _look(trial)
    return f"{' and '.join(programs)} answer the follow-up {how}"


def hang(slurm: TestCluster, trial: Trial, chance: random.Random) -> str:
    """Status and submit meet a squeue that does not end, and status such a sacct, once each."""
    for look in (lambda: _look(trial), trial.submit):
        _hang_once(trial, "squeue", look)
    _lie(trial, ("squeue",), "exit 0")  # so that sacct is asked
    _hang_once(trial, "sacct", lambda: _look(trial))
    tell_the_truth(trial)
    return "squeue and sacct hang"


def _hang_once(trial: Trial, program: str, look: Callable[[], object]) -> None:
    path = trial.sweep.parent / f"lying-{program}"
    path.write_text(f"rm {path}; exec sleep 600", "utf-8")
    look()
    assert not path.exists(), f"{program} was not asked"


def _lies(tell: Callable[..., str]) -> Iterator[Kind]:
    for programs in PROGRAMS:
        for how in ANSWERS:
            yield update_wrapper(partial(tell, programs=programs, how=how), tell)


LIES, LIES_TO_THE_FOLLOW_UP = tuple(_lies(lie)), tuple(_lies(lie_to_the_follow_up))
KINDS: tuple[Kind, ...] = (
    *LIES, kill_submit, submit_twice, kill_worker, scancel, requeue, requeue_hold, restart_controller,
    drain, lose_node, second_worker, tear_journal,
)  # fmt: skip


def at_last(number: int) -> Kind:
    """What befalls a sweep last, of those of this number."""
    return LIES_TO_THE_FOLLOW_UP[number % len(LIES_TO_THE_FOLLOW_UP)]


@contextmanager
def lying(folder: Path) -> Iterator[None]:
    """With stand-ins for Slurm's programs before them, for whatever is run meanwhile, jobs included."""
    (folder / "bin").mkdir()
    for program in PROGRAMS[-1]:
        path = folder / "bin" / program
        path.write_text(
            SHIM.format(answer=folder / f"lying-{program}", program=shutil.which(program)), "utf-8"
        )
        path.chmod(0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder / 'bin'}:{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


def tell_the_truth(trial: Trial) -> None:
    for path in trial.sweep.parent.glob("lying-*"):
        path.unlink()


def _lie(trial: Trial, programs: Sequence[str], answer: str) -> None:
    for program in programs:
        path = trial.sweep.parent / f"lying-{program}"
        real = next(
            line for line in (path.parent / "bin" / program).read_text().splitlines() if "exec" in line
        )
        path.write_text(answer.replace("{program}", real.split()[1]), "utf-8")


def _look(trial: Trial) -> None:
    said = trial.regularize("status")
    assert said.code == 0, said


def _array(trial: Trial) -> str:
    return str(read_journal(trial.store.journal).arrays[-1].job_id)


def _start(trial: Trial) -> subprocess.Popen[bytes]:
    """A submission in a process of its own."""
    words = ["submit", str(trial.sweep), "--store", str(trial.root), *trial.submit_options]
    silent, command = subprocess.DEVNULL, [*_python(trial), "-m", "tests.faults.command", *words]
    return subprocess.Popen(command, stdout=silent, stderr=silent)


def _python(trial: Trial) -> list[str]:
    """What jobs are run by, for other processes, too."""
    return [*yaml.safe_load(trial.cluster.read_text("utf-8")).get("python", [sys.executable])]
