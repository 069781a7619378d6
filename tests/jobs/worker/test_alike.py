"""Data that differ from node to node: ranks say so before a step, packs of their own are told apart."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from jobs.store.changed_inputs import unlike_data
from jobs.store.pack_status import failure, read_packs
from jobs.store.runs_table import write_runs
from jobs.sweep.run_grid import report_runs
from jobs.sweep.sweep_file import load_sweep
from jobs.worker.slurm_task import Task
from regularize.store import Store
from tests.jobs.elements import Processes

SWEEP = """\
name: own
dataset: {rolled: , fewer: , missing: , alike: }
model: mlp
training: {steps: 3, batch_size: 8}
evaluation: {tune: all, every: 1000}
regularizers: {none: }
seeds: 1
"""


def save(folder: Path, name: str, count: int = 40, roll: int = 0) -> None:
    folder.mkdir(exist_ok=True)
    source = np.random.default_rng(0)
    arrays = {}
    for part, number in (("train", count), ("test", 20)):
        arrays[f"{part}_images"] = source.integers(0, 256, (60, 8, 8), dtype=np.uint8)[:number]
        arrays[f"{part}_labels"] = np.roll(np.arange(60)[:number] % 4, roll)
    np.savez(folder / f"{name}.npz", **arrays)


def task_of(folder: Path, mode: str) -> tuple[Task, list[list[str]], dict[str, str]]:
    """With its packs, and the data set of each by the run's id."""
    for rank in ("0", "1"):
        save(folder / rank, "rolled", roll=int(rank))
        save(folder / rank, "fewer", count=40 - 12 * int(rank))
        save(folder / rank, "alike")
    save(folder / "0", "missing")
    (folder / "own.yaml").write_text(SWEEP, encoding="utf-8")
    runs = report_runs(load_sweep(folder / "own.yaml"))
    write_runs(Store(folder / mode), runs, complete=True)
    packs = [[run.config.run_id] for run in runs]
    datasets = {run.config.run_id: run.config.data.name for run in runs}
    return Task(folder=folder / mode, data_root=None, mode=mode), packs, datasets


def test_ranks_with_other_data_are_told_of_and_nothing_is_trained(tmp_path: Path) -> None:
    task, packs, datasets = task_of(tmp_path, "ddp")
    place = f"os.path.join({str(tmp_path)!r}, os.environ['SLURM_PROCID'])"
    own = f"import os; os.environ['REGULARIZE_DATA'] = {place}"
    processes = Processes(task, [packs], 2, first=own)
    try:
        assert processes.exit_codes() == [0, 0], processes.errors(0)
    finally:
        processes.kill()
    store = Store(task.folder)
    statuses = read_packs(store).statuses
    states = {datasets[status.runs[0]]: status.state for status in statuses.values()}
    assert states == {"rolled": "failed", "fewer": "failed", "missing": "failed", "alike": "done"}
    said = {datasets[status.runs[0]]: failure(store.pack(pack)) for pack, status in statuses.items()}
    host = os.uname().nodename
    begins = "regularize.alike.RanksError: the ranks of this pack are not alike: the content of data set"
    assert said["rolled"].startswith(f"{begins} rolled is ")
    assert said["rolled"].count("(40 + 20 examples)") == 2
    assert f" on {host} (rank 0), " in said["rolled"]
    assert said["rolled"].endswith(f" on {host} (rank 1)")
    assert said["fewer"].startswith(f"{begins} fewer is ")
    assert "(40 + 20 examples)" in said["fewer"]
    assert "(28 + 20 examples)" in said["fewer"]
    assert f"not every rank can begin: {host} (rank 1): MissingDataError: unknown data set" in said["missing"]
    assert "Traceback" not in processes.errors(0) + processes.errors(1)


def test_packs_of_one_sweep_that_were_trained_on_other_data_are_told_apart(tmp_path: Path) -> None:
    """Each by a process of its own, as `mode: spread` has them."""
    from jobs.worker.one_pack import training
    from jobs.worker.train_packs import train_packs

    task, packs, datasets = task_of(tmp_path, "spread")
    of_rolled = [pack for pack in packs if datasets[pack[0]] == "rolled"]
    sweep = SWEEP.replace("seeds: 1", "seeds: 2").replace("fewer: , missing: , alike: ", "")
    (tmp_path / "two.yaml").write_text(sweep, encoding="utf-8")
    runs = report_runs(load_sweep(tmp_path / "two.yaml"))
    write_runs(Store(task.folder), runs, complete=True)
    store, train = Store(task.folder), training(1, 5)
    packs = [[run.config.run_id] for run in runs]
    assert of_rolled[0] in packs
    for rank, pack in enumerate(packs):
        assert unlike_data(store, read_packs(store)) == []
        assert train_packs(store, [pack], train, data_root=tmp_path / str(rank), stop=lambda: False)
    (said,) = unlike_data(store, read_packs(store))
    host = os.uname().nodename
    assert said.startswith("the runs on rolled were not trained on the same data: 1 run on ")
    assert said.count(f"({host})") == 2
