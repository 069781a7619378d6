"""A sweep that is interrupted and goes on in other packs equals the undisturbed one, bit by bit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from jobs.status.overview import read_overview
from jobs.store.pack_status import read_packs
from jobs.verification.differences import difference
from regularize.config import pack_id
from regularize.store import PackPaths, Store
from tests.cluster.processes import wait_for

SWEEP = """\
name: small
dataset: {digits: {per_class: 10}}
model: lenet5
training: {steps: 600, batch_size: 16}
regularizers:
  none:
  l2: {strength: [1e-3, 1e-2]}
  dropout: {strength: 0.5}
seeds: {tune: 2, report: 2}
"""
MAIN = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from jobs.commands.cli import main
sys.exit(main())
"""


def begin(folder: Path, pack_runs: int, root: str, tasks: int = 1) -> subprocess.Popen[str]:
    (folder / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
    cluster = f"kind: local\ntasks: {tasks}\npack_runs: {pack_runs}\n"
    (folder / "here.yaml").write_text(cluster, encoding="utf-8")
    words = ["submit", "sweep.yaml", "--cluster", "here.yaml", "--store", root]
    ours = {"PYTHONPATH": str(Path(__file__).parents[3]), "REGULARIZE_DATA": str(folder / "data")}
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | ours,
    )


def finish(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PackPaths]:
    """The runs of the sweep when nothing happens."""
    folder = tmp_path_factory.mktemp("reference")
    finish(begin(folder, 8, "undisturbed"))
    return homes(Store(folder / "undisturbed" / "small"))


def homes(store: Store) -> dict[str, PackPaths]:
    return {
        run_id: store.pack(pack_id(status.runs))
        for status in read_packs(store).statuses.values()
        if status.state == "done"
        for run_id in status.runs
    }


def _has_begun(store: Store, packs: int) -> bool:
    return len(read_packs(store).statuses) >= packs


@pytest.mark.parametrize("seed", [0])
def test_an_interrupted_sweep_that_goes_on_in_other_packs_has_the_same_bits(
    tmp_path: Path, seed: int, reference: dict[str, PackPaths]
) -> None:
    store, rng = Store(tmp_path / "disturbed" / "small"), random.Random(seed)
    for pack_runs in (3, 1):
        process = begin(tmp_path, pack_runs, "disturbed")
        begun = len(read_packs(store).statuses) + 1
        wait_for("a pack in training", partial(_has_begun, store, begun), 120)
        time.sleep(rng.uniform(0, 1))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    finish(begin(tmp_path, 2, "disturbed"))

    found = homes(store)
    assert found.keys() == reference.keys()
    assert {len(read_packs(store).statuses[paths.folder.name].runs) for paths in found.values()} > {2}
    for run_id, paths in found.items():
        assert difference(run_id, reference[run_id], paths) == ""


def test_a_sweep_of_which_a_worker_is_killed_has_the_same_bits_and_says_so(
    tmp_path: Path, reference: dict[str, PackPaths]
) -> None:
    store = Store(tmp_path / "killed" / "small")
    process = begin(tmp_path, 2, "killed", tasks=2)
    killed = wait_for("a pack held in training", lambda: _held(store), 120, pause=0.005)
    os.kill(killed, signal.SIGKILL)
    said = finish(process)

    cause = f"worker process {killed} was killed by signal 9 (SIGKILL)"
    assert f"{cause} while it trained pack" in said
    assert "another worker takes over" in said
    assert "then 6 report runs" in said
    found = homes(store)
    assert found.keys() == reference.keys()
    for run_id, paths in found.items():
        assert difference(run_id, reference[run_id], paths) == ""
    (death,) = read_overview(store).to_json()["deaths"]
    assert (death["pid"], death["given_up"]) == (killed, False)
    for words in (["status"], ["logs"], ["watch", "--once"]):
        answer = subprocess.run(
            [sys.executable, "-c", MAIN, words[0], str(store.folder), *words[1:]],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
            capture_output=True,
            text=True,
            check=True,
        )
        assert cause in answer.stdout, words


def _held(store: Store) -> int | None:
    """A worker stopped while it trains: packs this small are over within milliseconds."""
    for pid in _training(store):
        os.kill(pid, signal.SIGSTOP)
        if pid in _training(store):
            return pid
        os.kill(pid, signal.SIGCONT)
    return None


def _training(store: Store) -> list[int]:
    return [s.pid for s in read_packs(store).statuses.values() if s.state == "running" and s.step]
