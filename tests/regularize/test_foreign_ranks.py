"""Someone's modules on one, two and three ranks: batch normalisation, buffers, dropout, parameters unused."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from regularize import draw_setting, models
from regularize.config import RunConfig
from regularize.errors import UserError
from regularize.pack_network import check_ranks
from regularize.testing import Case, left_in, train_by_ranks, trained
from tests.regularize.technique_cases import TOGETHER, together

HERE = "rank_modules:"
FOLDER = Path(__file__).parent / "own_modules"
PLAIN = Case(weak=(), strong=())
CASES: dict[str, tuple[Case, str, dict[str, Any]]] = {
    "none": (PLAIN, "batch_norm", {}),
    "sync": (PLAIN, "sync_batch_norm", {}),
    "few": (replace(PLAIN, per_class=2), "batch_norm", {"batch_size": 3}),  # an epoch ends with two examples
    "one": (replace(PLAIN, per_class=1), "each_alone", {"batch_size": 3}),  # and with one
    "cumulative": (PLAIN, "cumulative", {"momentum": 0.9}),
    "adam": (PLAIN, "each_alone", {"optimizer": "adam", "lr": 0.01}),
    "adamw": (PLAIN, "batch_norm", {"optimizer": "adamw", "lr": 0.01, "weight_decay": 0.1}),
    "sequences": (PLAIN, "sequences", {}),
    # All techniques, several at a time.
    "weights and outputs": (
        together(
            "l1", "l2", "soft_svb", "dropout", "input_noise", "weight_noise", "confidence_penalty",
            "logit_penalty",
        ),
        "batch_norm",
        {},
    ),
    "derivatives": (together("jacobian_determinant", "spectral_norm", "elastic_net"), "each_alone", {}),
    **{
        name: (case, "each_alone" if name == "penalties" else "batch_norm", {})
        for name, case in TOGETHER.items()
    },
}  # fmt: skip


@cache
def packs() -> dict[str, list[RunConfig]]:
    """A run of each case."""
    return {name: _runs(case, model, **training) for name, (case, model, training) in CASES.items()}


def _runs(case: Case, model: str, **training: Any) -> list[RunConfig]:
    settings = {"steps": 6, "precision": "float64"} | training
    return [replace(case, model=HERE + model).run(case.strong, 0, **settings)]


@pytest.fixture(scope="module", autouse=True)
def _importable():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield


@pytest.fixture(scope="module")
def by_ranks(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """world → folder of what so many ranks trained; a group of processes for each number."""

    @cache
    def folder(world: int) -> Any:
        place = tmp_path_factory.mktemp("ranks") / str(world)
        train_by_ranks(packs(), place, world)
        return place

    return folder


@pytest.mark.parametrize("world", [2, 3])
def test_several_ranks_train_what_one_does(world, by_ranks, one_rank):
    for name in packs():
        (found,) = left_in(by_ranks(world) / name).values()
        alone = one_rank(name)
        for key, value in found.items():
            if isinstance(value, torch.Tensor):
                assert torch.allclose(value, alone[key], rtol=0, atol=1e-9), f"{key} of {name}"


@pytest.mark.parametrize("name", ["none", "sequences"])
def test_so_they_do_with_the_draws_of_a_gpu(name, tmp_path, monkeypatch):
    monkeypatch.setenv(draw_setting.SETTING, "philox")
    runs = packs()[name]
    train_by_ranks({name: runs}, tmp_path / "ranks", 3)
    (found,), (alone,) = (
        left_in(tmp_path / "ranks" / name).values(),
        trained(runs, tmp_path / "alone").values(),
    )
    assert alone["results"][0]["kernels"].endswith("draws by philox")
    for key, value in found.items():
        if isinstance(value, torch.Tensor):
            assert torch.allclose(value, alone[key], rtol=0, atol=1e-9), key


@pytest.fixture(scope="module")
def one_rank(tmp_path_factory):
    @cache
    def train(name):
        (left,) = trained(packs()[name], tmp_path_factory.mktemp("alone") / name).values()
        return left

    return train


@pytest.mark.parametrize("shape", [(2,), (1, 28, 28)])
def test_torchs_normalisation_over_ranks_is_batch_normalisation_of_the_same_parameters(shape):
    names = ("sync_batch_norm", "batch_norm")
    ours, theirs = (models.build(HERE + name, [0], shape=shape, classes=4) for name in names)
    assert ours.mixing_layers == theirs.mixing_layers
    left, right = ours.state_dict(), theirs.state_dict()
    assert left.keys() == right.keys()
    assert all(torch.equal(left[key], right[key]) for key in left)


def test_a_kind_of_it_that_is_the_modules_own_is_refused_before_anything_trains():
    with pytest.raises(UserError, match=r"SyncBatchNorm of its own \(layer 'norm', OwnSync\)"):
        models.build(HERE + "own_sync", [0], shape=(2,), classes=4)


def test_what_is_never_used_stays_and_what_is_used_at_times_moves(one_rank):
    for name in ("none", "adamw"):
        start = models.build(HERE + "batch_norm", [0], shape=(2,), classes=4).state_dict()
        left = one_rank(name)
        for key in ("never.weight", "never.bias"):
            assert torch.equal(left[key], start[key][0].double()), key
        assert not torch.equal(left["at_times.weight"], start["at_times.weight"][0].double())


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("batch_norm", ""),
        ("sync_batch_norm", ""),
        ("each_alone", ""),
        ("sequences", ""),
        ("centred", "an example's logits depend on the others of its batch"),
        ("transposed", "an example's logits depend on the others of its batch"),
        ("remembering", "what it writes to buffer mean depends on the examples"),
        ("shuffled", "it draws random numbers by randperm"),
        ("scaled", "what it writes to buffer square depends on the examples"),
        ("hiding", "an example's logits depend on the others of its batch"),
        ("secretive", "what it keeps from step to step depends on the examples"),
        ("clipped", "an example's gradient depends on the others of its batch"),
        ("noisy_gradient", "it draws random numbers in the backward pass"),
        ("by_example", "what it gives to batch normalisation has examples among its channels"),
    ],
)
def test_what_ranks_cannot_train_alike_is_found_by_trying_it(model, why):
    network = models.build(HERE + model, [0], shape=(2,), classes=4)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = network.bound_to_ranks((2,))
    assert found.startswith(why)
    assert bool(found) == bool(why)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_number_of_ranks_is_a_part_of_runs_that_it_changes():
    (config,) = _runs(PLAIN, "centred")
    of_three = replace(config, ranks=3)
    assert "ranks" not in config.to_json()
    assert RunConfig.from_json(of_three.to_json()) == of_three
    assert len({config.run_id, of_three.run_id, replace(config, ranks=2).run_id}) == 3
    assert len({config.pack_key, of_three.pack_key}) == 2
    network = models.build(config.model, [0], shape=(2,), classes=4)
    check_ranks(config, network, (2,), 1)
    check_ranks(of_three, network, (2,), 3)
    with pytest.raises(UserError, match=r"3 ranks do not train model rank_modules:centred as one does: an "):
        check_ranks(config, network, (2,), 3)
    for world in (1, 2):
        with pytest.raises(UserError, match=rf"is one of 3 ranks, and there are {world}"):
            check_ranks(of_three, network, (2,), world)
