"""`pack_runs: auto`: what is tried, what is made of it, and what `plan` says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from jobs.cluster.cluster_config import USUAL_RUNS, Cluster
from jobs.commands.cli import main
from jobs.local import size_trials
from jobs.planning import pack_sizes
from jobs.planning.cost import Run
from jobs.planning.pack_memory import task_bytes
from jobs.planning.pack_sizes import USED, asked, chosen, keep, recalled, sizes
from jobs.planning.packing import make_packs, total_seconds
from regularize import pack_rates, remembered
from regularize.data.official import OFFICIAL
from regularize.distributed import Ranks
from regularize.pack_rates import best_size, device, tried
from regularize.store import read_json
from tests.jobs.planning.test_packing import CLOCK, RUNS, run
from tests.jobs.sweeps import BASE

FACTS = {"digits": OFFICIAL["digits"].facts}
AUTO = Cluster(kind="local", tasks=2, pack_runs=None)
PLAIN, JACOBIAN = run(0), run(0, "jacobian")
MACHINE = 16e9
RATES = {"1": 100.0, "2": 150.0, "4": 180.0, "8": 194.0, "16": 200.0, "32": 190.0}


@pytest.fixture(autouse=True)
def _nothing_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(remembered.CACHE, str(tmp_path / "measured"))


def answer(**changes: Any) -> dict[str, Any]:
    return {"device": "cpu", "memory": None, "rates": RATES} | changes


def one(found: dict[str, Any] | None, cluster: Cluster = AUTO, machine: float = MACHINE) -> tuple[int, str]:
    made = chosen({PLAIN.key: PLAIN.config}, {PLAIN.key: found}, cluster, FACTS, machine)
    (said,) = made.said
    return made.by_key[PLAIN.key], said


def test_the_smallest_size_that_is_about_the_fastest_is_taken() -> None:
    assert best_size({1: 100.0, 2: 150.0, 4: 180.0, 8: 194.0, 16: 200.0}) == 8
    assert best_size({1: 100.0, 2: 99.0}) == 1
    number, said = one(answer())
    assert number == 8
    assert said.startswith("8 lenet5 on digits side by side, 1.9 times as fast as one by one, in ")
    assert said.endswith(" of 8.0 GB a task: none")


def test_no_more_than_fit_into_the_memory_of_a_task() -> None:
    config, facts = PLAIN.config, FACTS["digits"]
    room = 1.01 * task_bytes(config, facts, 4) / USED * AUTO.tasks
    number, said = one(answer(), machine=room)
    assert number == 4
    assert "1.8 times as fast" in said
    assert "(8 do not fit)" in said
    assert one(answer(), machine=1e6)[0] == 1, "one run is always tried"
    on_gpu = answer(memory=1.01 * task_bytes(config, facts, 4, gpu=True) / USED)
    assert one(on_gpu, replace(AUTO, tasks=1, gpus=1))[0] == 4
    twice = answer(memory=2.02 * task_bytes(config, facts, 4, gpu=True) / USED)
    assert one(twice, replace(AUTO, tasks=2, gpus=1))[0] == 4, "two tasks share it"
    assert one(on_gpu, replace(AUTO, tasks=2, gpus=1))[0] < 4
    slurm = Cluster(kind="slurm", pack_runs=None, memory=2048, tasks_per_node=2)
    assert "of 1.1 GB a task" in one(answer(), slurm)[1]
    assert one(answer(), replace(slurm, memory=None))[0] == 8


@pytest.mark.parametrize(
    ("asked_for", "sharing"),
    [
        ({"gpus_per_task": 1, "tasks_per_node": 4}, 1),
        ({"gres": "gpu:1"}, 1),
        ({"gres": "gpu:1", "tasks_per_node": 4}, 4),
        ({"gres": "gpu:a100:4", "tasks_per_node": 4}, 1),
        ({"gres": "gpu:2", "tasks_per_node": 5}, 3),
        ({"gres": "gpu:1g.10gb:1"}, 1),
        ({"gres": "mps:50"}, 2),
        ({"gres": "mps:25", "tasks_per_node": 2}, 8),
        ({"gres": "mps:100"}, 1),
        ({"gres": "shard:2"}, None),
        ({"sbatch": {"tres-per-task": "gres/shard:2"}}, None),
        ({"sbatch": {"tres-per-task": "gres/mps:50"}, "tasks_per_node": 2}, 2),
        ({"sbatch": {"tres-per-task": "gres/gpu:1"}, "tasks_per_node": 4}, 1),
        ({"sbatch": {"gpus-per-node": 2}, "tasks_per_node": 4}, 2),
        ({"sbatch": {"gpus": 4}, "nodes": 2, "tasks_per_node": 4}, 2),
    ],
)
def test_tasks_that_share_a_gpu_share_its_memory(asked_for: dict[str, Any], sharing: float | None) -> None:
    cluster = Cluster(kind="slurm", pack_runs=None, **asked_for)
    assert cluster.tasks_per_gpu == sharing
    more = {str(2**power): float(2**power) for power in range(9)}
    alone = replace(cluster, gpus_per_task=1)
    memory = 8.08 * task_bytes(PLAIN.config, FACTS["digits"], 32, gpu=True) / USED
    number, said = one(answer(memory=memory, rates=more), cluster)
    if sharing is None:
        assert number == USUAL_RUNS
        assert said.endswith("nobody knows here how many tasks share them: the usual number at most: none")
        assert one(answer(memory=memory, rates={"1": 2.0, "2": 1.0}), cluster)[0] == 1
    else:
        assert (number, said) == one(answer(memory=memory / sharing, rates=more), alone)


def test_without_a_try_packs_are_of_the_usual_size_and_that_is_said() -> None:
    number, said = one(None)
    assert number == USUAL_RUNS
    assert "as it was not tried, in" in said
    slurm = Cluster(kind="slurm", name="here", pack_runs=None)
    assert "not tried by `regularize cluster check here --sweep FILE`" in one(None, slurm)[1]


def test_modules_of_ones_own_have_the_usual_number_and_that_is_said_once() -> None:
    configs = [replace(each.config, model="mine:net") for each in (PLAIN, JACOBIAN, run(1))]
    own = [Run(config.run_id, config.shared_key, "tune", config) for config in configs]
    found = sizes(own, AUTO, FACTS)
    assert (found.otherwise, found.by_key) == (USUAL_RUNS, {})
    assert found.said == [
        f"{USUAL_RUNS} mine:net on digits side by side, the usual number, "
        "as what a module of one's own takes of memory is not known before: none, jacobian"
    ]
    alone = [replace(each, key=each.config.pack_key) for each in own]
    assert sizes(alone, AUTO, FACTS).said == [], "these are no packs"
    assert sizes(own, replace(AUTO, pack_runs=4), FACTS).said == []


def test_what_is_remembered_is_of_a_kind_of_run_on_a_kind_of_machine() -> None:
    keep([PLAIN.config], AUTO, [answer()], anew=False)
    keep([JACOBIAN.config], AUTO, [{"problem": "no data"}], anew=False)
    assert recalled(PLAIN.config, AUTO) == answer()
    assert recalled(replace(PLAIN.config, seed=7), AUTO) == answer()
    for other, cluster in (
        (JACOBIAN.config, AUTO),
        (replace(PLAIN.config, model="mlp"), AUTO),
        (replace(PLAIN.config, training=replace(PLAIN.config.training, batch_size=64)), AUTO),
        (PLAIN.config, replace(AUTO, threads=2)),
        (PLAIN.config, replace(AUTO, gpus=1)),
        (PLAIN.config, Cluster(kind="slurm", pack_runs=None)),
    ):
        assert recalled(other, cluster) is None
    keep([PLAIN.config], AUTO, [answer(rates={"1": 1.0})], anew=True)
    assert sizes([PLAIN, JACOBIAN], AUTO, FACTS).by_key == {PLAIN.key: 1, JACOBIAN.key: USUAL_RUNS}
    fixed = sizes([PLAIN], replace(AUTO, pack_runs=3), FACTS)
    assert (fixed.otherwise, fixed.by_key, [*fixed.said]) == (3, {}, [])


def test_each_kind_has_packs_of_its_own_size() -> None:
    limits = {PLAIN.key: 12, JACOBIAN.key: 3}
    packs = make_packs(RUNS, [], CLOCK, limit=8, limits=limits, tasks=1)
    keys = {each.run_id: each.key for each in RUNS}
    most = {key: max(len(p.runs) for p in packs if keys[p.runs[0]] == key) for key in keys.values()}
    assert most == {PLAIN.key: 12, JACOBIAN.key: 3, run(0, "l2").key: 6}
    assert total_seconds(RUNS, CLOCK, 8, limits) != total_seconds(RUNS, CLOCK, 8)


def test_a_try_measures_steps_of_larger_and_larger_packs() -> None:
    given = asked([PLAIN.config], AUTO, FACTS, None)
    (question,) = given["asked"]
    assert question["sizes"][:4] == [1, 2, 4, 8]
    found = tried(question | {"sizes": [1, 2]})
    assert set(found["rates"]) == {"1", "2"}
    assert (found["device"], found["memory"]) == ("cpu", None)
    assert all(rate > 0 for rate in found["rates"].values())
    nowhere = PLAIN.config.to_json() | {"data": {"name": "mnist"}}
    assert "mnist" in tried({"run": nowhere, "sizes": [1], "data_root": "/nowhere"})["problem"]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")])
def test_sizes_that_cannot_be_trained_leave_what_smaller_ones_have_shown(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    least = 4

    def seconds(_run: Any, size: int, _root: Any) -> float:
        if size >= least:
            raise error
        return 1.0

    monkeypatch.setattr(pack_rates, "_step_seconds", seconds)
    question = {"run": PLAIN.config.to_json(), "sizes": [1, 2, 4, 8], "data_root": None}
    assert tried(question)["rates"] == {"1": 1.0, "2": 2.0}
    least = 1
    assert "problem" in tried(question)


def test_without_the_gpu_that_was_asked_for_none_is_tried_on_the_cpu_in_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    gpu = replace(AUTO, gpus=1)
    found = size_trials.answered([PLAIN.config] * 2, gpu, FACTS, None)
    assert [answer["problem"].partition(" on ")[0] for answer in found] == [
        "a GPU was asked for, but torch sees none"
    ] * 2
    keep([PLAIN.config] * 2, gpu, found, anew=False)
    assert recalled(PLAIN.config, gpu) is None
    assert not asked([], replace(gpu, allow_cpu=True), FACTS, None)["needs_gpu"]


def test_what_was_tried_on_a_whole_gpu_is_not_known_of_a_slice_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = replace(AUTO, gpus=1)
    whole, small = answer(device="H200", memory=150e9), answer(device="H200 MIG 1g", memory=18e9)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    keep([PLAIN.config], gpu, [whole], anew=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1,MIG-2")
    assert recalled(PLAIN.config, gpu) is None
    keep([PLAIN.config], gpu, [small], anew=False)
    assert recalled(PLAIN.config, gpu) == small
    for visible in ("2", "3"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert recalled(PLAIN.config, gpu) == whole
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1,MIG-2")
    keep([PLAIN.config], AUTO, [answer()], anew=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert recalled(PLAIN.config, AUTO) == answer(), "without GPUs they are nothing to it"


def test_what_was_tried_on_one_type_of_gpu_is_not_known_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = replace(AUTO, gpus=1)

    def known(types: list[str], visible: str) -> Any:
        monkeypatch.setattr(pack_sizes, "gpu_types", lambda: types)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        return recalled(PLAIN.config, gpu)

    assert known(["NVIDIA H200"], "0") is None
    keep([PLAIN.config], gpu, [answer(device="H200")], anew=False)
    assert known(["NVIDIA H200"], "1") == answer(device="H200"), "one of its kind"
    assert known(["NVIDIA A100"], "0") is None, "the same folder and processor, another machine"
    assert known(["NVIDIA A100", "NVIDIA H200"], "0") is None, "a machine of both"
    keep([PLAIN.config], gpu, [answer(device="A100")], anew=False)
    assert known(["NVIDIA A100", "NVIDIA H200"], "0") == answer(device="A100")
    assert known(["NVIDIA A100", "NVIDIA H200"], "1,2") is None, "which may be of the other type"


def test_a_pack_has_to_fit_into_the_least_of_the_gpus_that_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    totals = [150e9, 40e9, 80e9]
    there = Ranks(rank=0, world=1, device=torch.device("cuda", 0))
    monkeypatch.setattr(Ranks, "here", lambda: there)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(totals))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "H200")
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda number: SimpleNamespace(total_memory=totals[number])
    )
    assert device() == {"device": "H200", "memory": 40e9}


def test_all_gpus_that_workers_share_are_shown_to_a_try(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []

    def ended(*_: Any, env: dict[str, str], **__: Any) -> Any:
        shown.append(env["CUDA_VISIBLE_DEVICES"])
        return SimpleNamespace(stdout=b"", stderr=b"", returncode=1)

    monkeypatch.setattr(size_trials.subprocess, "run", ended)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-3,1,0")
    for cluster in (replace(AUTO, gpus=2), AUTO):
        size_trials.answered([PLAIN.config], cluster, FACTS, None)
    assert shown == ["GPU-3,1", ""]


LONG = BASE.replace("epochs: 2", "epochs: 5000")
"""So that it is worth a try."""


def planned(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    assert main(["plan", "sweep.yaml", "--cluster", "auto.yaml", "--json"]) == 0
    printed = capsys.readouterr()
    return json.loads(printed.out), printed.err


def test_plan_tries_once_and_says_what_it_will_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pack_sizes, "SIZES", (1, 2))
    Path("sweep.yaml").write_text(LONG, encoding="utf-8")
    Path("auto.yaml").write_text("kind: local\ntasks: 1\npack_runs: auto\n", encoding="utf-8")
    plan, said = planned(capsys)
    assert "trying how many runs train best side by side, 2 kinds of them" in said
    assert 1 <= plan["largest_pack"] <= 2
    files = list((tmp_path / "measured").iterdir())
    assert {tuple(read_json(file)["answer"]["rates"]) for file in files} == {("1", "2")}
    assert planned(capsys) == (plan, said.replace(said.splitlines()[0] + "\n", "", 1))
    assert main(["plan", "sweep.yaml", "--cluster", "auto.yaml"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "up to " in printed
    assert "lenet5 on digits side by side" in printed
    assert all(each in printed for each in plan["side_by_side"])


def test_a_try_that_fails_is_said_in_a_line_and_leaves_the_usual_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        size_trials, "COMMAND", (*size_trials.COMMAND[:1], "-c", "raise SystemExit('no torch')")
    )
    Path("sweep.yaml").write_text(LONG, encoding="utf-8")
    Path("auto.yaml").write_text("kind: local\ntasks: 1\npack_runs: auto\n", encoding="utf-8")
    plan, said = planned(capsys)
    assert "a try of `pack_runs: auto` failed: no torch" in said
    assert plan["largest_pack"] > 1
    assert not (tmp_path / "measured").exists()


def test_a_short_sweep_is_not_worth_a_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tries, 100 s long, took longer than all training."""
    monkeypatch.chdir(tmp_path)
    Path("sweep.yaml").write_text(BASE, encoding="utf-8")
    Path("auto.yaml").write_text("kind: local\ntasks: 1\npack_runs: auto\n", encoding="utf-8")
    plan, said = planned(capsys)
    assert plan["seconds"] + plan["seconds_ahead"] < size_trials.LEAST / size_trials.SHARE
    assert "packs have the usual size" in said
    assert not (tmp_path / "measured").exists()
