"""Elements of an array as their processes: real training, real signals, real deaths; no Slurm."""

from __future__ import annotations

import platform
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from jobs.store.meeting_place import node_at_fault, too_short
from jobs.store.pack_status import read_packs
from jobs.store.runs_table import write_runs
from jobs.sweep.run_grid import report_runs
from jobs.sweep.sweep_file import load_sweep
from jobs.worker.slurm_task import INTERRUPTED, Element, Task, _progress
from regularize.config import pack_id
from regularize.store import PackPaths, PackStatus, Store
from tests.jobs.elements import JOB, Processes
from tests.jobs.stores import write_pack

SWEEP = """\
name: small
dataset: {digits: {per_class: 20}}
model: ["tests.jobs.networks:slow", "tests.jobs.networks:broken"]
training: {steps: 300, batch_size: 16}
evaluation: {every: 1000}
regularizers: {none: , weight_noise: {sigma: 0.01}}
seeds: 1
"""
SECONDS = 300.0

Start = Callable[..., Processes]


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def task(tmp_path: Path, data_root: Path) -> Task:
    return new_task(tmp_path / "store", data_root)


def new_task(folder: Path, data_root: Path) -> Task:
    sweep = folder.with_suffix(".yaml")
    sweep.write_text(SWEEP, encoding="utf-8")
    write_runs(Store(folder), report_runs(load_sweep(sweep)), complete=True)
    return Task(folder=folder, data_root=data_root)


@pytest.fixture
def packs(task: Task) -> list[list[str]]:
    """Two of the sound model, then the broken one's."""
    runs = [run.config for run in report_runs(load_sweep(task.folder.with_suffix(".yaml")))]
    return [[c.run_id] for c in sorted(runs, key=lambda c: ("broken" in c.model, c.run_id))]


@pytest.fixture
def let_go(tmp_path: Path) -> Path:
    """Once it is there the slow network is a fast one."""
    return tmp_path / "let_go"


@pytest.fixture
def start(let_go: Path) -> Iterator[Start]:
    started: list[Processes] = []

    def start(task: Task, element: Element, count: int, **options: Any) -> Processes:
        started.append(Processes(task, element, count, LET_GO=str(let_go), **options))
        return started[-1]

    yield start
    for processes in started:
        processes.kill()


def paths(task: Task, pack: Sequence[str]) -> PackPaths:
    return Store(task.folder).pack(pack_id(pack))


def in_training(task: Task, pack: Sequence[str], processes: Processes) -> None:
    """Wait until these processes have made steps, which the pack's heartbeat tells."""
    pids = {process.pid for process in processes.running}
    end = time.monotonic() + SECONDS
    before = -1
    while time.monotonic() < end:
        status = read_packs(Store(task.folder)).statuses.get(pack_id(pack))
        if status and status.pid in pids and status.state == "running":
            before = status.step if before < 0 else before
            if status.step > before:
                return
        time.sleep(0.1)
    raise AssertionError("not in training")


def states(task: Task) -> list[str]:
    return sorted(status.state for status in read_packs(Store(task.folder)).statuses.values())


def weights(task: Task, pack: Sequence[str]) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(paths(task, pack).weights, weights_only=True)["model"]
    return found


def assert_same_weights(one: Task, other: Task, packs: Sequence[Sequence[str]]) -> None:
    for pack in packs:
        expected, found = weights(other, pack), weights(one, pack)
        assert [name for name in expected if not torch.equal(expected[name], found[name])] == []


@pytest.mark.parametrize(("mode", "number"), [("spread", signal.SIGUSR2), ("ddp", signal.SIGTERM)])
def test_interrupted_and_started_again_equals_undisturbed(
    mode: str,
    number: signal.Signals,
    task: Task,
    packs: list[list[str]],
    start: Start,
    let_go: Path,
    tmp_path: Path,
    data_root: Path,
) -> None:
    packs = packs[:2]
    element = [packs] if mode == "ddp" else [packs[:1], packs[1:]]
    task = replace(task, mode=mode, threads=1)
    processes = start(task, element, 2)
    in_training(task, packs[0], processes)
    heard = processes.running[1:] if mode == "ddp" else processes.running  # all ranks stop together
    for process in heard:
        process.send_signal(number)
    assert processes.exit_codes() == ([0, 0] if mode == "ddp" else [INTERRUPTED, INTERRUPTED])
    assert processes.again() == (mode == "ddp")
    assert "interrupted" in states(task)
    let_go.touch()
    assert start(task, element, 2).exit_codes() == [0, 0]
    assert states(task) == ["done", "done"]

    undisturbed = replace(new_task(tmp_path / "undisturbed", data_root), mode=mode)
    assert start(undisturbed, element, 2).exit_codes() == [0, 0]
    assert_same_weights(task, undisturbed, packs)


def test_an_error_on_one_rank_ends_all_and_the_rest_of_the_slice_comes_after(
    task: Task, packs: list[list[str]], start: Start, let_go: Path
) -> None:
    let_go.touch()
    sound, broken, task = packs[0], packs[-1], replace(task, mode="ddp")
    processes = start(task, [[broken, sound]], 2)
    assert processes.exit_codes() == [1, 0]
    assert processes.again()
    assert "error: another rank is gone" in processes.errors(0)
    status = PackStatus.read(paths(task, broken).status)
    assert (status.state, status.job) == ("failed", f"{JOB}_1")
    assert paths(task, broken).error.read_text().endswith("ArithmeticError: rank 1 cannot count\n")
    assert start(task, [[broken, sound]], 2).exit_codes() == [0, 0]  # requeued, it trains only the other
    assert states(task) == ["done", "failed"]


def test_a_killed_rank_ends_the_others_and_nothing_counts_as_failed(
    task: Task, packs: list[list[str]], start: Start, let_go: Path
) -> None:
    task = replace(task, mode="ddp")
    processes = start(task, [packs[:1]], 2)
    in_training(task, packs[0], processes)
    processes.running[1].kill()
    let_go.touch()
    assert processes.exit_codes() == [1, -signal.SIGKILL]
    assert "error: another rank is gone" in processes.errors(0)
    assert states(task) == ["running"]
    assert start(task, [packs[:1]], 2).exit_codes() == [0, 0]


@pytest.mark.parametrize(("ranks", "count"), [([1], 2), ([0, 1], 3)])
def test_a_rank_that_never_starts_is_not_waited_for_as_one_that_works(
    ranks: list[int], count: int, task: Task, packs: list[list[str]], start: Start
) -> None:
    soon = "from jobs.worker import meeting; meeting.START_SECONDS = 3"
    processes = start(replace(task, mode="ddp"), [packs[:1]], count, ranks=ranks, first=soon)
    assert processes.exit_codes() == [1] * len(ranks)
    for said in map(processes.errors, ranks):
        assert said.count("error: not all ranks started within 0.05 minutes") == 1
        assert node_at_fault(Store(task.folder).jobs, JOB) == "", "nobody knows which"
        assert "Traceback" not in said
    assert states(task) == []


def test_a_rank_that_cannot_start_ends_the_others_in_its_words(
    task: Task, packs: list[list[str]], start: Start
) -> None:
    own = "import os\nif os.environ['SLURM_PROCID'] == '1': os.environ['GLOO_SOCKET_IFNAME'] = 'nowhere0'"
    processes = start(replace(task, mode="ddp"), [packs[:1]], 2, first=own)
    assert processes.exit_codes() == [1, 1]
    for number in (0, 1):
        assert "GLOO_SOCKET_IFNAME is 'nowhere0', but " in processes.errors(number)
        assert "another rank is gone" not in processes.errors(number)
    assert f"error: rank 1 on {platform.node()} cannot start: " in processes.errors(0)
    assert node_at_fault(Store(task.folder).jobs, JOB) == platform.node()
    assert not processes.again()


def test_a_pack_that_failed_is_progress(task: Task, packs: list[list[str]]) -> None:
    store = Store(task.folder)
    before = _progress(store, packs)
    write_pack(store, packs[0], "failed", step=0)
    assert _progress(store, packs) != before


def test_a_killed_process_of_a_spread_element_leaves_the_others_alone(
    task: Task, packs: list[list[str]], start: Start, let_go: Path
) -> None:
    processes = start(task, [packs[:1], packs[1:2]], 2)
    in_training(task, packs[1], processes)
    processes.running[1].kill()
    let_go.touch()
    assert processes.exit_codes() == [0, -signal.SIGKILL]
    assert start(task, [packs[:1], packs[1:2]], 2).exit_codes() == [0, 0]
    assert states(task) == ["done", "done"]


def test_a_process_without_a_slice_has_nothing_to_do(
    task: Task, packs: list[list[str]], start: Start, let_go: Path
) -> None:
    let_go.touch()
    assert start(task, [packs[:1]], 2).exit_codes() == [0, 0]
    assert states(task) == ["done"]


@pytest.mark.parametrize("mode", ["spread", "ddp"])
def test_an_abort_while_a_process_winds_up_is_not_its_end(
    mode: str, task: Task, packs: list[list[str]], start: Start, let_go: Path
) -> None:
    let_go.touch()
    processes = start(
        replace(task, mode=mode), [packs[:1]], 2, first="import atexit, os; atexit.register(os.abort)"
    )
    assert processes.exit_codes() == [0, 0]
    assert states(task) == ["done"]


def test_near_the_time_limit_no_further_pack_is_begun(
    task: Task, packs: list[list[str]], start: Start, let_go: Path
) -> None:
    let_go.touch()
    late = replace(task, minutes=1, signal_seconds=60)
    assert start(late, [packs[:2]], 1).exit_codes() == [INTERRUPTED]
    assert states(task) == ["done"]
    assert start(late, [packs[:2]], 1).exit_codes() == [0]


def test_data_are_read_from_the_node_or_else_from_where_they_are(
    task: Task, packs: list[list[str]], start: Start, let_go: Path, tmp_path: Path
) -> None:
    let_go.touch()
    near = replace(task, scratch=Path("$NODE_DISK"))
    processes = start(near, [packs[:1]], 1)
    assert processes.exit_codes() == [0]
    assert "warning: scratch is $NODE_DISK" in processes.errors(0)
    assert "data are read from where they are" in processes.errors(0)
    (tmp_path / "near").mkdir()
    assert start(near, [packs[1:2]], 1, NODE_DISK=str(tmp_path / "near")).exit_codes() == [0]
    assert [path.parent.name for path in (tmp_path / "near").glob("*/*/prepared/*/meta.json")] == ["digits"]
    assert states(task) == ["done", "done"]


def test_without_the_gpu_that_was_asked_for_it_is_an_error(
    task: Task, packs: list[list[str]], start: Start
) -> None:
    processes = start(replace(task, needs_gpu=True), [packs[:1]], 1, CUDA_VISIBLE_DEVICES="")
    assert processes.exit_codes() == [1]
    assert "error: a GPU was asked for, but torch sees none" in processes.errors(0)
    assert "allow_cpu: true" in processes.errors(0)
    assert states(task) == []


def test_requeues_that_achieve_nothing_come_to_an_end(
    task: Task, packs: list[list[str]], start: Start
) -> None:
    def attempt(requeues: int) -> int:
        processes = start(task, [packs[:1]], 1, SLURM_RESTART_COUNT=str(requeues))
        wait_for_handlers(processes)
        processes.running[0].send_signal(signal.SIGTERM)
        (code,) = processes.exit_codes()
        return code

    def wait_for_handlers(processes: Processes) -> None:
        """Until SIGTERM is caught, which is long before torch is there and anything trains."""
        status = Path(f"/proc/{processes.running[0].pid}/status")
        mask = 1 << (signal.SIGUSR2 - 1)
        while not int(status.read_text().split("SigCgt:")[1].split()[0], 16) & mask:
            time.sleep(0.01)

    jobs = Store(task.folder).jobs
    assert (attempt(2), too_short(jobs, JOB)) == (INTERRUPTED, False)
    assert (attempt(3), too_short(jobs, JOB)) == (1, True)
