"""Weights kept during training."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
import torch

from regularize import models
from regularize.config import Evaluation
from regularize.errors import UserError
from regularize.snapshots import Snapshots
from regularize.store import PackPaths
from regularize.train_pack import train_pack
from tests.regularize.cases import run, trained


def configs(snapshots, steps=20):
    evaluation = Evaluation(every=1000, snapshots=snapshots, jacobian_examples=0, predictions=False)
    runs = [run((), seed, steps=steps, model="toy_plane", data="clusters") for seed in (0, 1)]
    return [replace(config, evaluation=evaluation) for config in runs]


def test_from_the_start_to_the_end_and_resumed_bitwise(tmp_path):
    runs, paths = configs(5), PackPaths(tmp_path / "whole")
    weights = trained(runs, paths.folder)
    kept = torch.load(paths.snapshots, weights_only=True)
    assert kept["runs"] == [config.run_id for config in runs]
    assert (kept["steps"], kept["per_epoch"]) == ([0, 5, 10, 15, 20], 14)
    start = models.build("toy_plane", [0, 1], shape=(2,), classes=4)
    for name, states in kept["model"].items():
        assert torch.equal(states[0], start.get_parameter(name))
        assert torch.equal(states[-1], weights[name])
        assert not torch.equal(states[1], states[2])

    parts = PackPaths(tmp_path / "parts")
    for stop_at in (3, 7):  # the second time just where one is due
        steps = count(1)
        train_pack(runs, parts, stop=lambda s=steps, n=stop_at: next(s) == n)
    trained(runs, parts.folder)
    resumed = torch.load(parts.snapshots, weights_only=True)
    assert resumed["steps"] == kept["steps"]
    assert all(torch.equal(resumed["model"][name], states) for name, states in kept["model"].items())


def test_none_by_default(tmp_path):
    trained(configs(0), tmp_path)
    assert not PackPaths(tmp_path).snapshots.exists()
    assert Evaluation().snapshots == 0


@pytest.mark.parametrize(
    ("count", "steps", "due"), [(2, 7, {0, 7}), (3, 7, {0, 4, 7}), (9, 2, {0, 1, 2}), (0, 5, set())]
)
def test_when(count, steps, due):
    assert Snapshots(count, steps).due == due


@pytest.mark.parametrize("count", [1, -1])
def test_one_alone_is_refused(count):
    with pytest.raises(UserError, match="snapshots"):
        Evaluation(snapshots=count)
