"""Submissions as users make them: real processes, real signals, real (short) training."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from jobs.store.pack_status import read_packs
from jobs.store.submit_lock import alive
from jobs.sweep.run_grid import tune_runs
from jobs.sweep.sweep_file import load_sweep
from regularize.config import pack_id
from regularize.store import PackPaths, PackStatus, Store, read_json

SHORT = """\
name: small
dataset: digits
model: lenet5
training: {steps: 3, batch_size: 16}
regularizers:
  none:
  l2: {strength: 1e-4}
seeds: {tune: 1, report: 1}
"""
# One run that takes minutes until it is let go, so that there is time to interrupt it.
LONG = """\
name: small
dataset: digits
model: tests.cluster.slow_network:build
training: {steps: 500, batch_size: 16}
regularizers: {none: }
seeds: 1
"""
# Heard as in a terminal, even where the tests run in the background, which ignores Ctrl-C for all it starts.
PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from jobs.commands.cli import main
sys.exit(main())
"""
PATIENCE = 300.0  # seconds; on a busy machine a process takes one minute of them to start

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def start(tmp_path: Path, data_root: Path) -> Iterator[Start]:
    """Starts `regularize submit` on a sweep; whatever still runs is ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(text: str, *options: str) -> subprocess.Popen[str]:
        (tmp_path / "sweep.yaml").write_text(text, encoding="utf-8")
        command = [sys.executable, "-c", PROGRAM, "submit", "sweep.yaml", "--data-root", str(data_root)]
        ours = {"PYTHONPATH": str(Path(__file__).parents[3]), "LET_GO": str(tmp_path / "let_go")}
        process = subprocess.Popen(
            [*command, "--max-tasks", "1", *options],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | ours,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results" / "small")


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def only_pack(store: Store) -> PackStatus:
    (status,) = read_packs(store).statuses.values()
    return status


def packs_of(store: Store) -> list[PackPaths]:
    return [store.pack(name) for name in read_packs(store).statuses]


def rows(path: Path) -> list[dict[str, Any]]:
    with pq.ParquetFile(path) as file:
        found: list[dict[str, Any]] = file.read().to_pylist()
    return found


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def in_training(store: Store, process: subprocess.Popen[str]) -> PackStatus:
    """The status of the only pack, once a worker that lives has begun it."""

    def trains() -> bool:
        assert process.poll() is None, process.communicate()
        statuses = read_packs(store).statuses.values()
        return any(status.state == "running" and alive(status.pid) for status in statuses)

    wait(trains)
    return only_pack(store)


def test_failures_and_damage_are_mended_then_both_phases_then_nothing(
    start: Start, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "sweep.yaml").write_text(SHORT, encoding="utf-8")
    (bad, *_) = tune_runs(load_sweep(tmp_path / "sweep.yaml"))
    metrics = store.pack(pack_id([bad.config.run_id])).metrics
    metrics.mkdir(parents=True)  # cannot be replaced by a file
    code, out, err = finished(start(SHORT))
    assert (code, out) == (1, "")
    assert f"1 run of pack {metrics.parent.name} failed: regularize.errors.UserError: " in err
    assert f"({store.pack(metrics.parent.name).error})" in err

    metrics.rmdir()
    (done,) = (paths for paths in packs_of(store) if paths.folder != metrics.parent)
    harmed = bytearray(done.results.read_bytes())
    harmed[-300] ^= 1
    done.results.write_bytes(harmed)
    code, out, err = finished(start(SHORT))
    assert (code, out) == (0, f"done: 4 runs in {store.folder}\n"), err
    # What had failed, then what had been damaged, which shows when strengths are chosen; then the reports.
    starts = [line.partition(" to do")[0] for line in err.splitlines() if " to do" in line]
    assert starts == ["1 run", "1 run", "2 runs"]
    runs, results = rows(store.runs), [row for paths in packs_of(store) for row in rows(paths.results)]
    assert {run["run_id"] for run in runs} == {row["run_id"] for row in results}
    assert [run["phase"] for run in runs] == ["tune", "tune", "report", "report"]

    code, out, err = finished(start(SHORT))
    assert (code, out, err) == (0, f"nothing to do: 4 runs done in {store.folder}\n", "")
    assert len(read_json(store.provenance)["submissions"]) == 2

    done.weights.unlink()
    code, out, err = finished(start(SHORT))
    assert (code, out) == (0, f"done: 4 runs in {store.folder}\n"), err
    assert f"{done.folder}: weights.pt is missing or damaged; its runs are trained again" in err
    assert done.weights.exists()
    assert not store.lock.exists()


def test_whatever_ends_a_submission_the_next_one_goes_on(start: Start, store: Store, tmp_path: Path) -> None:
    # The submission is killed: its worker writes a checkpoint and ends.
    process = start(LONG)
    orphan = in_training(store, process)
    process.kill()
    process.wait()
    wait(lambda: not alive(orphan.pid))
    assert only_pack(store).state == "interrupted"
    assert only_pack(store).step > 0
    assert store.lock.exists()

    # Ctrl-C: the worker writes a checkpoint before the submission ends.
    process = start(LONG)
    in_training(store, process)
    os.killpg(process.pid, signal.SIGINT)
    code, _, err = finished(process)
    assert code == 130, err
    assert "to continue: regularize submit sweep.yaml" in err
    interrupted = only_pack(store)
    assert interrupted.state == "interrupted"
    assert not alive(interrupted.pid)

    (tmp_path / "let_go").touch()
    code, out, err = finished(start(LONG))
    assert (code, out) == (0, f"done: 1 run in {store.folder}\n"), err
    assert "(1 begun)" in err
    assert only_pack(store).started_at == interrupted.started_at


def test_code_beside_the_sweep_is_found_by_workers_and_what_it_imports_as_it_runs(
    start: Start, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "beside.py").write_text(
        "def build(shape, classes):\n    from further import network\n    return network(shape, classes)\n",
        encoding="utf-8",
    )
    (tmp_path / "further.py").write_text(
        "import math\nimport torch\n\n\ndef network(shape, classes):\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(math.prod(shape), classes))\n",
        encoding="utf-8",
    )
    text = SHORT.replace("model: lenet5", "model: beside:build").replace("{tune: 1, report: 1}", "1")
    code, _, err = finished(start(text))
    assert code == 0, err
    assert {status.state for status in read_packs(store).statuses.values()} == {"done"}
