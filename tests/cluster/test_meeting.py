"""How the ranks of a job meet on several nodes, and how soon it is over where they cannot, in which words."""

from __future__ import annotations

import shlex
import socket
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from jobs.store.journal import read_journal
from jobs.store.pack_status import failure, read_packs
from tests.cluster.processes import wait_for
from tests.cluster.slurm import TestCluster
from tests.cluster.trial import SMALL, Trial
from tests.jobs.worker.test_alike import save

FAILING = (
    SMALL.replace("model: mlp", "model: [mlp, 'tests.cluster.failing_network:build']")
    .replace("steps: 20", "steps: 5")
    .replace("seeds: 1", "seeds: 4")
)
SOON = 60
"""Seconds from when rank 0 begins to wait, which would be for 300, to the end of the job: docs/slurm.md has
how many they are. On a busy machine the other rank may still be importing torch."""
ASKED = {"mode": "ddp", "nodes": 2, "memory": "900M"}


def as_second_rank(folder: Path, command: str) -> list[str]:
    """Python for `python:`, before which the rank 1 of a job runs a line of shell."""
    path = folder / "python"
    inner = f'{command}\nexec {shlex.quote(sys.executable)} "$@"\n'
    path.write_text(f'#!/bin/sh\nif [ "$SLURM_PROCID" = 1 ]; then\n{inner}fi\nexec {sys.executable} "$@"\n')
    path.chmod(0o755)
    return [str(path)]


def elapsed(slurm: TestCluster, trial: Trial) -> list[int]:
    """Seconds of each attempt at the jobs of a trial."""
    names = ",".join(handed.name for handed in read_journal(trial.store.journal).arrays)
    done = ["sacct", "-X", "-n", "-D", "-P", "-o", "State,ElapsedRaw", "--name", names]
    wait_for("the accounts", lambda: "PENDING" not in (o := slurm.run(*done)) and "RUNNING" not in o)
    return [int(line.split("|")[1]) for line in slurm.run(*done).splitlines()]


def waited(slurm: TestCluster, trial: Trial) -> float:
    """Seconds from the first rank's first word of the others to the end of its job, to a second."""
    (line, *_) = (line for line in told(trial, 0).splitlines() if line.endswith("  waiting for 1 of 2 ranks"))
    began = datetime.strptime(f"{datetime.now().year}-{line.partition('  ')[0]}", "%Y-%m-%d %H:%M:%S")
    (handed,) = read_journal(trial.store.journal).arrays
    asked = ["sacct", "-X", "-n", "-P", "-o", "End", "--name", handed.name]
    ended = wait_for("the accounts", lambda: "" if "Unknown" in (end := slurm.run(*asked)) else end.strip())
    return (datetime.fromisoformat(ended) - began).total_seconds()


def told(trial: Trial, rank: int | str = "*") -> str:
    return "".join(path.read_text() for path in sorted(trial.store.logs.glob(f"*_{rank}_log.out")))


def test_two_sweeps_at_once_whatever_the_shell_has_for_other_programs(
    slurm: TestCluster, tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with the same port, which another program holds; and one has to wait for its second rank."""
    let_go = tmp_path / "let_go"
    trials = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("MASTER_PORT", str(server.getsockname()[1]))
        monkeypatch.setenv("MASTER_ADDR", "n4")
        for name, wait in (("one", "true"), ("two", f"while ! [ -e {let_go} ]; do sleep 0.2; done")):
            folder = tmp_path / name
            folder.mkdir()
            trials.append(
                Trial(folder, data_root, SMALL, **ASKED, python=as_second_rank(folder, wait), follow_up=False)
            )
        assert [trial.submit().code for trial in trials] == [0, 0]

        def waits() -> str:
            lines = trials[1].regularize("status").out.splitlines()
            return next((line for line in lines if "waiting for 1 of 2 ranks" in line), "")

        line = wait_for("the first rank to wait", waits, 120)
        assert " is starting on n[" in line
        let_go.touch()
        slurm.wait_until_idle()
    assert [trial.states() for trial in trials] == [{"done": 1}, {"done": 1}]
    peaks = [status.memory for trial in trials for status in read_packs(trial.store).statuses.values()]
    assert [50e6 < peak < 900 * 2**20 for peak in peaks] == [slurm.kernel_kills] * 2


@pytest.fixture
def invisible(slurm: TestCluster, tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    yield lambda folder: slurm.hide(folder, "n2")
    slurm.kill_node("n2")  # with what was mounted there
    slurm.restart_node("n2")


def test_what_keeps_a_rank_from_coming_ends_the_wait_at_once(
    slurm: TestCluster, tmp_path: Path, data_root: Path, invisible: Callable[[Path], None]
) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost n2\n")
    script = f'mount --bind {hosts} /etc/hosts && exec {sys.executable} "$@"'
    second = {
        "interface": "export GLOO_SOCKET_IFNAME=nowhere0",
        "name": f'exec unshare --mount sh -c {shlex.quote(script)} sh "$@"',
        "invisible": "true",
    }
    trials = {}
    for kind, line in second.items():
        folder = tmp_path / kind
        folder.mkdir()
        python = as_second_rank(folder, line)
        trials[kind] = Trial(folder, data_root, SMALL, **ASKED, python=python, follow_up=False)
    trials["invisible"].root.mkdir()
    invisible(trials["invisible"].root)
    for trial in trials.values():
        trial.cluster.write_text(trial.cluster.read_text() + "sbatch: {nodelist: 'n[1-2]'}\n")
        assert trial.submit().code == 0
    slurm.wait_until_idle()
    for kind, words in {
        "interface": "rank 1 on n2 cannot start: GLOO_SOCKET_IFNAME is 'nowhere0', but n2 has no network",
        "name": "rank 1 on n2 cannot reach rank 0 on n1: this node does not know the name n1 (",
    }.items():
        assert words in told(trials[kind], 0), kind
        assert "another rank is gone" not in told(trials[kind])
    assert "error: Slurm could not start all ranks: task 1 launch failed: " in told(trials["invisible"], 0)
    seconds = {kind: waited(slurm, trial) for kind, trial in trials.items()}
    print("seconds until all ranks ended:", seconds)
    assert max(seconds.values()) < SOON, seconds
    assert [trial.states() for trial in trials.values()] == [{"lost": 1}] * 3


def test_nodes_with_other_data_of_one_name_are_told_of_before_a_step(
    slurm: TestCluster, tmp_path: Path
) -> None:
    """Labels one further on the second node, whose folder lies over the first one's."""
    data, other = tmp_path / "data", tmp_path / "other"
    save(data, "rolled")
    save(other, "rolled", roll=1)
    script = f'mount --bind {other} {data} && exec {sys.executable} "$@"'
    python = as_second_rank(tmp_path, f'exec unshare --mount sh -c {shlex.quote(script)} sh "$@"')
    sweep = SMALL.replace("{digits: {per_class: 20}}", "rolled")
    trial = Trial(tmp_path, data, sweep, **ASKED, python=python, follow_up=False)
    trial.cluster.write_text(trial.cluster.read_text() + "sbatch: {nodelist: 'n[1-2]'}\n")
    assert trial.submit().code == 0
    slurm.wait_until_idle()
    assert trial.states() == {"failed": 1}
    (pack,) = read_packs(trial.store).statuses
    said = failure(trial.store.pack(pack))
    assert "RanksError: the ranks of this pack are not alike: the content of data set rolled is " in said
    assert " on n1 (rank 0), " in said
    assert said.endswith(" on n2 (rank 1)")
    assert len(elapsed(slurm, trial)) == 1, "nothing is to be gained by another attempt"


def test_packs_that_fail_are_progress_and_those_behind_them_are_trained(
    slurm: TestCluster, tmp_path: Path, data_root: Path, python: list[str]
) -> None:
    """Each failure ends the ranks of its job, which is requeued: more often than may be without progress."""
    trial = Trial(tmp_path, data_root, FAILING, **ASKED, pack_runs=1, python=python)
    assert trial.submit().code == 0
    slurm.wait_until_idle(600)
    assert trial.states() == {"done": 4, "failed": 4}
    assert len(elapsed(slurm, trial)) >= 4
    assert "nothing was achieved" not in told(trial)
    assert not list(trial.store.jobs.glob("*-*")), "what ranks said to each other goes with its job"
