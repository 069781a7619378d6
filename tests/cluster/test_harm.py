"""Whatever happens to a job in training, the sweep ends complete, and as if nothing had happened.

Its processes are forks of a loaded interpreter, but where a node is lost: there each is numbered by its node,
so that only the silence of its lease tells that it is gone.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from jobs.store.journal import read_journal
from jobs.store.pack_status import read_packs
from regularize.store import Store
from tests.cluster.processes import wait_for
from tests.cluster.slurm import TestCluster
from tests.cluster.tables import assert_same
from tests.cluster.trial import Trial

SWEEP = """\
name: slow
dataset: {digits: {per_class: 8}}
model: tests.cluster.slow_network:build
training: {steps: 250, batch_size: 16}
evaluation: {every: 10}
regularizers:
  none:
  weight_noise: {sigma: 0.01}
seeds: 1
"""
RUNS = 2
MODES = ("spread", "ddp")


def new_trial(folder: Path, data_root: Path, mode: str, python: Sequence[str]) -> Trial:
    own = {"python": [*python]} if python else {}
    return Trial(folder, data_root, SWEEP, mode=mode, nodes=2, partition="low", signal_seconds=90, **own)


def requeue(slurm: TestCluster, trial: Trial, job_id: str) -> None:
    slurm.run("scontrol", "requeue", job_id)


def preempt(slurm: TestCluster, trial: Trial, job_id: str) -> None:
    slurm.sbatch("true", "--partition=high", "-N4", "--exclusive")


def hit_the_time_limit(slurm: TestCluster, trial: Trial, job_id: str) -> None:
    """With one to two minutes left, Slurm signals when it next looks, which it does every 30 s."""
    minutes = int(slurm.run("squeue", "-h", "-o", "%M", "-j", job_id).split(":")[-2])
    slurm.run("scontrol", "update", f"jobid={job_id}", f"timelimit={minutes + 2}")
    wait_for("the job to be requeued", lambda: slurm.state(job_id) == "PENDING", 90)
    slurm.run("scontrol", "update", f"jobid={job_id}", "timelimit=20")


def kill_a_node(slurm: TestCluster, trial: Trial, job_id: str) -> None:
    slurm.kill_node("n2")
    slurm.mark_down("n2")


def kill_a_task(slurm: TestCluster, trial: Trial, job_id: str) -> None:
    os.kill(tasks_of(trial.store)[-1], signal.SIGKILL)


Harm = Callable[[TestCluster, Trial, str], None]
HARMS: tuple[Harm, ...] = (requeue, preempt, hit_the_time_limit, kill_a_node, kill_a_task)


@pytest.fixture
def let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "let_go"
    monkeypatch.setenv("LET_GO", str(path))
    return path


@pytest.fixture(scope="session")
def undisturbed(
    cluster: TestCluster, tmp_path_factory: pytest.TempPathFactory, data_root: Path, python: list[str]
) -> dict[str, Store]:
    """The sweep in both modes, without harm."""
    trials = {mode: new_trial(tmp_path_factory.mktemp(mode), data_root, mode, python) for mode in MODES}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LET_GO", os.devnull)
        assert [trial.submit().code for trial in trials.values()] == [0, 0]
    cluster.wait_until_idle()
    return {mode: trial.store for mode, trial in trials.items()}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_harm_in_training_changes_nothing(
    mode: str,
    harm: Harm,
    undisturbed: dict[str, Store],
    let_go: Path,
    slurm: TestCluster,
    tmp_path: Path,
    data_root: Path,
    python: list[str],
) -> None:
    trial = new_trial(tmp_path, data_root, mode, () if harm is kill_a_node else python)
    assert trial.submit().code == 0
    job_id = min(slurm.queued(), key=int)
    if harm in (kill_a_node, kill_a_task):
        wait_for("a checkpoint", lambda: any(trial.store.packs.glob("*/checkpoint.pt")), 90)
    else:  # which is written when they are told to end
        packs = RUNS if mode == "spread" else 1
        wait_for("training", lambda: len(steps := _steps(trial.store)) == packs and all(steps), 90)
    began = _steps(trial.store)
    assert all(0 < step < 250 for step in began)
    harm(slurm, trial, job_id)
    let_go.touch()
    slurm.wait_until_idle()
    assert trial.states() == {"done": RUNS}
    assert_same(trial.store, undisturbed[mode])
    attempts = slurm.run("sacct", "-X", "-n", "-D", "-P", "-o", "State", "--name", _array_names(trial.store))
    assert len(attempts.splitlines()) > 1, attempts


def _steps(store: Store) -> list[int]:
    return [status.step for status in read_packs(store).statuses.values()]


def _array_names(store: Store) -> str:
    return ",".join(handed.name for handed in read_journal(store.journal).arrays)


def tasks_of(store: Store) -> list[int]:
    """The processes on the nodes that train for a store, as this machine numbers them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if (
            b"submitit.core._submit" in command
            and str(store.jobs).encode() in command
            and b"srun" not in command[0]
        ):
            found.append(int(process.name))
    return sorted(found)
