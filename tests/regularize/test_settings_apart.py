"""The equalities of a pack whose runs differ in learning rate, momentum or weight decay."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from regularize.store import PackPaths
from regularize.train_pack import train_pack
from tests.regularize.cases import each, run, trained

# L1's threshold follows the step of each weight, so of each run's own optimizer.
TERMS = each("l1", "strength", 1e-4, 1e-3)
SETTINGS = {
    "sgd": [{"lr": 0.02}, {"lr": 0.05}, {"lr": 0.02, "momentum": 0.5}, {"lr": 0.1, "momentum": 0.0}],
    "adam": [{"lr": 1e-3}, {"lr": 1e-2}, {"lr": 1e-4}],
    "adamw": [{"lr": 1e-3}, {"lr": 1e-3, "weight_decay": 0.1}, {"lr": 1e-2, "weight_decay": 0.1}],
}


def pack(optimizer, steps, **training):
    return [
        run(TERMS[number % 2], number // 2, steps=steps, optimizer=optimizer, **settings, **training)
        for number, settings in enumerate(SETTINGS[optimizer])
    ]


@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [("sgd", "constant"), ("sgd", "cosine"), ("adam", "step"), ("adamw", "constant")],
)
def test_packed_equals_alone_bitwise(optimizer, schedule, tmp_path):
    runs = pack(optimizer, 20, schedule=schedule)
    assert len({each.pack_key for each in runs}) == 1
    together = trained(runs, tmp_path / "together")
    for position, config in enumerate(runs):
        alone = trained([config], tmp_path / str(position))
        assert [name for name in alone if not torch.equal(alone[name][0], together[name][position])] == []


@pytest.mark.parametrize("optimizer", SETTINGS)
def test_resumed_equals_uninterrupted_bitwise(optimizer, tmp_path):
    runs, steps = pack(optimizer, 20), count(1)
    whole = trained(runs, tmp_path / "whole")
    parts = PackPaths(tmp_path / "parts")
    assert train_pack(runs, parts, stop=lambda: next(steps) == 7).state == "interrupted"
    resumed = trained(runs, tmp_path / "parts")
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []


def test_two_ranks_equal_one(tmp_path):
    mp.spawn(rank, args=(tmp_path,), nprocs=2)
    for optimizer in SETTINGS:
        one = trained(pack(optimizer, 4, precision="float64"), tmp_path / f"{optimizer} one")
        two = torch.load(tmp_path / optimizer / "weights.pt", weights_only=True)["model"]
        for name, weight in one.items():
            torch.testing.assert_close(two[name], weight, rtol=0, atol=1e-9)


def rank(index: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", store=dist.FileStore(str(folder / "rendezvous"), 2), rank=index, world_size=2
    )
    for optimizer in SETTINGS:
        trained(pack(optimizer, 4, precision="float64"), folder / optimizer)
    dist.destroy_process_group()
    os._exit(0)  # not by winding up, in which torch's threads abort a process now and then


@pytest.mark.parametrize("optimizer", SETTINGS)
def test_one_that_diverges_leaves_the_others_alone(optimizer, tmp_path):
    good, *_ = pack(optimizer, 30)
    wild = run(TERMS[0], 0, steps=30, optimizer=optimizer, lr=1e30)
    together = trained([good, wild], tmp_path / "together")
    alone = trained([good], tmp_path / "alone")
    assert all(torch.equal(alone[name][0], together[name][0]) for name in alone)


def test_what_else_differs_trains_elsewhere():
    runs = [run((), 0, steps=9), run((), 0, steps=9, batch_size=11), run((), 0, steps=8)]
    assert len({each.pack_key for each in runs}) == 3
