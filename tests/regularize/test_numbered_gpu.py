"""A pack's whole way on a GPU, as far as one whose numbers are on the CPU tells: steps as graphs, what is
measured, tables, checkpoints. How a GPU computes, and how fast, `tests/gpu` shows."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch

from regularize import batches, convolution_setting
from regularize.data import load
from regularize.evaluation.settings import Evaluation, Robustness
from regularize.measure_again import measure_pack
from regularize.precision import set_products
from regularize.store import PackPaths, read_table
from regularize.testing import differing, trained
from regularize.train_pack import train_pack
from tests.regularize.numbered_gpu import NAME, DeviceError, Graph, gpu
from tests.regularize.technique_cases import TABLE

EVERYTHING = Evaluation(
    train_examples=9,
    jacobian_examples=5,
    snapshots=3,
    operator_norms=True,
    robustness=Robustness(examples=5, pgd_starts=2),
)
IMAGES = {"data": "digits", "resize": 8}
CASES = {
    "l2": TABLE["l2"],
    "hard_svb": TABLE["hard_svb"],
    "early_stopping": TABLE["early_stopping"],
    "resnet8": replace(TABLE["l2"], model="resnet8 width=0.25", **IMAGES),
    "a module": replace(TABLE["l2"], model="device_modules:drawing", data="digits"),
}


@pytest.fixture(autouse=True)
def _there(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent / "own_modules")
    monkeypatch.setenv(convolution_setting.SETTING, "grouped")  # without a try


@pytest.mark.parametrize("name", CASES)
def test_a_pack_is_trained_measured_and_written_and_goes_on_from_its_checkpoint(name, tmp_path):
    runs = [replace(run, evaluation=EVERYTHING) for run in CASES[name].pack(steps=12)]
    if name == "a module":
        runs = runs[:1]
    steps = count(1)
    with gpu():
        whole = trained(runs, tmp_path / "whole")
        train_pack(runs, PackPaths(tmp_path / "parts"), stop=lambda: next(steps) == 7)
        resumed = trained(runs, tmp_path / "parts")
        again = [replace(run, evaluation=replace(EVERYTHING, jacobian_examples=7)) for run in runs]
        status = measure_pack(again, PackPaths(tmp_path / "whole"))
    assert [each for run in runs for each in differing(resumed[run.run_id], whole[run.run_id])] == []
    assert status.evaluation == again[0].evaluation.text
    results = read_table(PackPaths(tmp_path / "parts").results).to_pylist()
    assert {row["device"] for row in results} == {NAME}
    steps_made = "as they come: a module of one's own" if name == "a module" else "as a graph"
    assert all(row["kernels"].endswith(f"steps {steps_made}") for row in results), results[0]["kernels"]


def test_a_pack_goes_on_without_a_gpu_from_a_checkpoint_that_was_written_with_one(tmp_path):
    runs, steps = TABLE["weight_decay-adam"].pack(steps=12), count(1)
    with gpu():
        train_pack(runs, PackPaths(tmp_path), stop=lambda: next(steps) == 7)
    trained(runs, tmp_path)
    (row, *_) = read_table(PackPaths(tmp_path).results).to_pylist()
    assert row["device"] == f"{NAME}+cpu"


def test_what_the_rig_is_for_is_refused_by_it():
    with gpu():
        there, here = torch.ones(3, device="cuda:0"), torch.ones(3)
        for mixed in (
            lambda: there + here, lambda: torch.stack([here, there]), lambda: here[there.long()],
            lambda: there.index_select(0, here.long()), here.add_,
        ):  # fmt: skip
            with pytest.raises(DeviceError):
                mixed(there) if mixed == here.add_ else mixed()
        assert (there + here.sum()).tolist() == there[here.long()].add(3).tolist() == [4, 4, 4]
        for waiting in (there.sum().item, there.cpu, there.tolist, lambda: here.to("cuda:0")):
            with pytest.raises(DeviceError), torch.cuda.graph(torch.cuda.CUDAGraph()):
                waiting()
    with pytest.raises(RuntimeError), gpu():
        there.numpy()


def test_a_pack_leaves_nothing_of_it_for_what_comes_later_in_the_process():
    cuda = torch.backends.cuda
    before = cuda.flash_sdp_enabled()
    cuda.enable_flash_sdp(True)
    try:
        with gpu():
            set_products("float32", torch.device("cuda", 0))
            assert not cuda.flash_sdp_enabled()
            batches.Batches(load("digits"), torch.float32, torch.device("cuda", 0))
            assert batches._copied.cache_info().currsize == 1
        assert cuda.flash_sdp_enabled()
        assert batches._copied.cache_info().currsize == 0
    finally:
        cuda.enable_flash_sdp(before)


def test_its_graphs_do_nothing_until_they_are_played():
    with gpu():
        total, step = torch.zeros(2, device="cuda:0"), torch.ones(2, device="cuda:0")
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            total.add_(2 * step)
        assert (total.tolist(), Graph.noting) == ([0, 0], None)
        step.fill_(3)
        for expected in (6, 12):
            graph.replay()
            assert total.tolist() == [expected] * 2
