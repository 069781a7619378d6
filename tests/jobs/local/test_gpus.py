"""Which GPUs workers of this machine are shown, by what the environment says. No GPU is needed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.cluster.cluster_config import Cluster
from jobs.local import worker_processes
from jobs.local.gpus import for_workers, least_used, notes, present
from jobs.local.worker_processes import launch
from jobs.planning.packing import Pack
from jobs.store.pack_status import read_packs
from jobs.store.runs_table import write_runs
from jobs.sweep.run_grid import report_runs
from jobs.sweep.sweep_file import load_sweep
from regularize.errors import UserError
from regularize.store import Store

HERE = Cluster(kind="local", tasks=2, gpus=2)
NONE, SEVEN = replace(HERE, gpus=0), {"CUDA_VISIBLE_DEVICES": "7"}
SWEEP = """\
name: small
dataset: {digits: {per_class: 2}}
model: mlp
training: {steps: 1, batch_size: 16}
regularizers: {none: }
seeds: 1
"""
MIG = "MIG-b1d5e2a0-6f1c-5f0e-9d4e-2f6f3c1b7a10"


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, ["0", "1"]),
        ("2,3", ["2", "3"]),
        (" 5 , 0 ,1", ["5", "0"]),
        (f"GPU-8f3,{MIG}", ["GPU-8f3", MIG]),
        ("3,1,-1,2", ["3", "1"]),
    ],
)
def test_workers_share_the_gpus_that_the_environment_shows(visible: str | None, expected: list[str]) -> None:
    environ = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert for_workers(HERE, environ) == expected
    assert for_workers(NONE, environ) == []


@pytest.mark.parametrize("visible", ["3", "", "-1", "2,2", "1,,2", "NoDevFiles", "none", "1,void"])
def test_more_than_it_shows_is_refused(visible: str) -> None:
    with pytest.raises(UserError, match=rf"gpus is 2, but CUDA_VISIBLE_DEVICES={visible} shows [01] GPU"):
        for_workers(HERE, {"CUDA_VISIBLE_DEVICES": visible})


def test_what_lies_idle_or_is_not_there_is_said(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert present({}, tmp_path) == 2
    for cluster, environ, said in (
        (NONE, {}, ["2 GPUs here are not used; `gpus: 2` in the cluster config uses them"]),
        (NONE, SEVEN, ["1 GPU here is not used; `gpus: 1` in the cluster config uses it"]),
        (NONE, {"CUDA_VISIBLE_DEVICES": ""}, []),
        (NONE, {"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, []),
        (HERE, {}, []),
        (replace(HERE, tasks=4), {}, []),
        (replace(HERE, tasks=1), {}, ["a task trains on one GPU: `tasks: 2` uses all 2"]),
        (replace(HERE, gpus=3), {},
         ["gpus is 3, but 2 are seen here: workers without one end with an error"]),
        (replace(HERE, gpus=3, allow_cpu=True), {},
         ["gpus is 3, but 2 are seen here: workers without one train on the CPU"]),
    ):  # fmt: skip
        assert list(notes(cluster, environ, tmp_path)) == said


def test_a_worker_that_follows_another_takes_the_gpu_that_is_free() -> None:
    assert least_used(["2", "3"], []) == "2"
    assert least_used(["2", "3"], ["2"]) == "3"
    assert least_used(["2", "3"], ["3", "2", "3"]) == "2"
    assert least_used([], ["2"]) == ""


@pytest.mark.parametrize(
    ("visible", "tasks", "gpus", "seen"),
    [("2,3", 2, 2, ["2", "3"]), (f"{MIG},1", 3, 2, ["1", MIG, MIG]), ("0,1", 2, 0, ["", ""])],
)
def test_each_worker_sees_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str, tasks: int, gpus: int, seen: list[str]
) -> None:
    monkeypatch.setattr(worker_processes, "PROGRAM", ("-m", "tests.jobs.local.worker"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    (tmp_path / "acts.json").write_text(json.dumps({}), encoding="utf-8")
    slices = [[Pack(runs=(f"run{number}",), whole=1.0)] for number in range(tasks)]
    launch(Store(tmp_path), slices, Cluster(kind="local", tasks=tasks, gpus=gpus), None, lambda: None)
    assert sorted((tmp_path / "gpus.txt").read_text().splitlines()) == seen


def test_a_worker_that_is_shown_a_gpu_and_sees_none_ends_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-of-another-machine")
    store, told = Store(tmp_path), list[str]()
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(SWEEP, encoding="utf-8")
    runs = report_runs(load_sweep(sweep))
    write_runs(store, runs, complete=True)
    slices = [[Pack(runs=tuple(run.config.run_id for run in runs), whole=1.0)]]
    cluster = Cluster(kind="local", gpus=1)
    launch(store, slices, cluster, None, lambda: None, told.append)
    (said,) = told
    assert "ended with an error: a GPU was asked for, but torch sees none on " in said
    assert said.partition("allow_cpu: true")[1]
    assert not read_packs(store).statuses
    launch(store, slices, replace(cluster, allow_cpu=True), None, lambda: None, told.append)
    assert told == [said]
    assert [status.state for status in read_packs(store).statuses.values()] == ["done"]
