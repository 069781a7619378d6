"""The contract of a pack, for every technique: packed = alone, two ranks = one, resumed = uninterrupted."""

from __future__ import annotations

import subprocess
import sys
from itertools import count
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from regularize.store import PackPaths
from regularize.train_pack import train_pack
from tests.regularize.cases import CASES, ELSEWHERE, pack, run, trained, uneven

STEPS = 40  # more than an epoch, whose last batch is small


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """case → weights of the pack after so many steps in float64, trained once."""
    folder = tmp_path_factory.mktemp("packed")
    return {case: trained(pack(case, steps=STEPS, precision="float64"), folder / case) for case in CASES}


@pytest.mark.parametrize("case", CASES)
def test_packed_equals_alone(case, packed, tmp_path):
    for position, config in enumerate(pack(case, steps=STEPS, precision="float64")):
        alone = trained([config], tmp_path / str(position))
        for name, weight in alone.items():
            torch.testing.assert_close(packed[case][name][position], weight[0], rtol=0, atol=1e-9)


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory):
    """case → weights of the same packs and of the uneven ones, trained by two ranks."""
    folder = tmp_path_factory.mktemp("two ranks")
    command = [sys.executable, "-m", "tests.regularize.two_ranks", str(folder), str(STEPS)]
    subprocess.run(command, check=True, timeout=600, cwd=Path(__file__).parents[2])
    return lambda name: torch.load(folder / name / "weights.pt", weights_only=True)["model"]


@pytest.mark.parametrize("case", CASES)
def test_two_ranks_equal_one(case, packed, two_ranks):
    together = two_ranks(case)
    for name, weight in packed[case].items():
        torch.testing.assert_close(together[name], weight, rtol=0, atol=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_two_ranks_equal_one_where_a_batch_has_no_example_for_the_other(case, two_ranks, tmp_path):
    together = two_ranks(f"{case} uneven")
    for name, weight in trained(uneven(case), tmp_path).items():
        torch.testing.assert_close(together[name], weight, rtol=0, atol=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_resumed_equals_uninterrupted_and_repeated_bitwise(case, tmp_path):
    runs = pack(case, steps=50)  # 34 of them are an epoch: interrupted in the middle of both
    whole, again = trained(runs, tmp_path / "whole"), trained(runs, tmp_path / "again")
    for stop_at in (17, 24):
        steps = count(1)
        status = train_pack(runs, PackPaths(tmp_path / "parts"), stop=lambda s=steps, n=stop_at: next(s) == n)
        assert status.state == "interrupted"
    assert status.step == 17 + 24
    resumed = trained(runs, tmp_path / "parts")
    for name, weight in whole.items():
        assert torch.equal(again[name], weight), f"{name} of a repeated pack"
        assert torch.equal(resumed[name], weight), f"{name} of a resumed pack"


@pytest.mark.parametrize(("world", "cases"), [(2, list(CASES)), (4, ["none", "l2"])])
def test_resumed_ranks_equal_uninterrupted_ones_bitwise(world, cases, tmp_path):
    command = [sys.executable, "-m", "tests.regularize.resumed_ranks", str(tmp_path), str(world), *cases]
    subprocess.run(command, check=True, timeout=600, cwd=Path(__file__).parents[2])
    for case in cases:
        whole, parts = (PackPaths(tmp_path / case / name) for name in ("whole", "parts"))
        one, other = (torch.load(paths.weights, weights_only=True)["model"] for paths in (whole, parts))
        assert [name for name in one if not torch.equal(one[name], other[name])] == [], case
        rows = [pq.read_table(paths.metrics).drop(["seconds"]) for paths in (whole, parts)]
        assert rows[0] == rows[1], case
        assert set(pq.read_table(parts.results)["ranks"].to_pylist()) == {f"{world}x1"}


@pytest.fixture(scope="module")
def plain(packed, tmp_path_factory):
    """model → first weight of two runs without regularization, as those of the packs."""
    found = {"lenet5": packed["none"]}
    for settings in ELSEWHERE.values():
        if settings["model"] not in found:
            runs = [run((), seed, steps=STEPS, precision="float64", **settings) for seed in (0, 1)]
            found[settings["model"]] = trained(runs, tmp_path_factory.mktemp("plain"))
    return {model: next(iter(weights.values())) for model, weights in found.items()}


@pytest.mark.parametrize("case", [case for case in CASES if case != "none"])
def test_every_technique_changes_the_parameters(case, packed, plain):
    unregularized = plain[ELSEWHERE.get(case, {}).get("model", "lenet5")][0]
    weak, strong = next(iter(packed[case].values()))[:2]
    assert not torch.allclose(weak, unregularized, rtol=0, atol=1e-6)
    assert not torch.allclose(weak, strong, rtol=0, atol=1e-6), "the strength has no effect"
