"""The fused stages in training: which path a worker takes, and that both are the same."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor

from regularize import fused, kernel_path, models
from regularize.config import RunConfig
from regularize.distributed import Ranks
from regularize.draws import Draws
from regularize.errors import UserError
from regularize.fused import build
from regularize.fused.kernels import Kernels
from regularize.models import LENETS
from regularize.objective import Objective, bind
from regularize.store import PackPaths
from regularize.train_pack import train_pack
from regularize.trainer import Trainer
from tests.regularize.cases import CASES, ELSEWHERE, Terms, each, run, together
from tests.regularize.fused.conftest import KINDS, WIDTHS

FUSED = ["lenet5", "lenet_prime", "lenet5_tanh"]
TOGETHER = together(*(CASES[name] for name in ("elastic_net", "jacobian", "dropout", "relative_noise")))
MANY = together(TOGETHER, each("spatial_dropout", "p", 0.1, 0.3))


def recorded(folder: Path, **settings: object) -> set[str]:
    """What the results of a short pack say."""
    paths = PackPaths(folder)
    train_pack([run((), 0, steps=2, **settings)], paths)
    return set(pq.read_table(paths.results)["kernels"].to_pylist())


def test_results_say_what_computed_them(tmp_path, monkeypatch, fresh):
    assert recorded(tmp_path / "fused") == {f"fused {KINDS[0]}"}
    assert recorded(tmp_path / "double", precision="float64") == {"torch: float64 on cpu"}
    assert recorded(tmp_path / "mlp", model="mlp") == {"torch: no fused stages for this model"}
    assert recorded(tmp_path / "average", model="lenet5_tanh") == {f"fused {KINDS[0]}"}
    fused.chosen.cache_clear()
    monkeypatch.setenv(fused.SETTING, "torch")
    assert recorded(tmp_path / "torch") == {"torch: REGULARIZE_KERNELS says so"}


def test_a_broken_compiler_means_torch_and_one_warning(tmp_path, monkeypatch, fresh):
    monkeypatch.setenv(build.CACHE, str(tmp_path / "cache"))
    monkeypatch.setattr(build, "compilers", lambda: [["false"]])
    assert fused.expected() == "torch: false: exit code 1"
    with pytest.warns(UserWarning, match="LeNets train by torch.*false: exit code 1"):
        assert recorded(tmp_path / "one") == {"torch: false: exit code 1"}
    assert recorded(tmp_path / "two") == {"torch: false: exit code 1"}  # warnings are errors here


def test_no_compiler_means_torch_without_a_word(tmp_path, monkeypatch, fresh):
    monkeypatch.setenv(build.CACHE, str(tmp_path / "cache"))
    monkeypatch.setattr(build, "compilers", lambda: [])
    assert fused.expected() == "torch: no compiler found"
    assert recorded(tmp_path / "one") == {"torch: no compiler found"}


def test_a_processor_of_another_kind_means_torch(monkeypatch, fresh):
    monkeypatch.setattr(build.platform, "machine", lambda: "riscv64")
    assert fused.chosen() == fused.Path("torch: no fused stages for this processor")


@pytest.mark.parametrize("kind", KINDS)
def test_the_setting_names_the_instructions(kind, monkeypatch, fresh):
    monkeypatch.setenv(fused.SETTING, kind)
    path = fused.chosen()
    assert path.name == f"fused {kind}"
    assert path.kernels is not None


def test_a_wrong_setting_is_an_error(monkeypatch, fresh):
    monkeypatch.setenv(fused.SETTING, "sse")
    with pytest.raises(UserError, match=r"REGULARIZE_KERNELS is 'sse'.*auto.*torch"):
        fused.chosen()


@pytest.mark.parametrize("model", LENETS)
@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 32, 32), (3, 28, 28), (3, 32, 32), (4, 32, 32)])
def test_which_networks_are_fused(model, shape, built):
    network = models.build(model, [0], shape=shape, classes=10)
    assert network.fuse(built[KINDS[0]]) == (model in FUSED and shape[0] in (1, 3))


def losses_and_gradients(
    config: list[RunConfig], shape: tuple[int, ...], dtype: torch.dtype, kernels: Kernels | None
) -> tuple[Tensor, dict[str, Tensor]]:
    seeds = [each.seed for each in config]
    network = models.build(config[0].model, seeds, shape=shape, classes=10).to(dtype)
    if kernels:
        assert network.fuse(kernels)
    terms = bind(config, "cpu")
    module = Objective(network, terms, pixel=torch.full((shape[0], 1, 1), 3.0, dtype=dtype))
    source = torch.Generator().manual_seed(1)
    x = torch.randn(len(seeds), 6, *shape, generator=source).to(dtype)
    labels = torch.randint(10, (len(seeds), 6), generator=source)
    # Noise is drawn once for both: numbers drawn in float64 are others.
    draws = Single(seeds=seeds, step=0, global_batch=6, local=slice(None), dtype=dtype)
    losses = module(x, labels, draws, 1 / 6, 0.5)
    named = dict(network.named_parameters())
    found = torch.autograd.grad(losses.sum(), list(named.values()))
    return losses.detach(), dict(zip(named, found, strict=True))


class Single(Draws):
    """Draws of float32 in any precision."""

    def _drawn(self, *what):  # type: ignore[no-untyped-def]
        single = Draws(seeds=self.seeds, step=self.step, global_batch=self.global_batch, local=self.local)
        return Draws._drawn(single, *what).to(self.dtype)


@pytest.mark.parametrize("width", [width for width in WIDTHS if width != 1])
@pytest.mark.parametrize("model", FUSED)
def test_networks_of_all_widths_are_fused(model, width, built, built_for):
    name = f"{model} width={width}"
    network = models.build(name, [0], shape=(1, 28, 28), classes=10)
    assert kernel_path.filters(name) == WIDTHS[width]
    assert network.fuse(built_for(WIDTHS[width])[KINDS[0]])
    assert not network.fuse(built[KINDS[0]]), "a library of other filters"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", FUSED)
@pytest.mark.parametrize("case", [case for case in CASES if case not in ELSEWHERE])
def test_every_technique_has_the_gradients_of_torch(case, model, kind, built):
    shape = (3, 32, 32) if model == "lenet_prime" else (1, 28, 28)
    same_gradients([(terms, model) for terms in CASES[case]], shape, built[kind])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", FUSED)
@pytest.mark.parametrize("width", [0.5, 0.8, 2])
def test_networks_of_all_widths_have_the_gradients_of_torch(width, model, kind, built_for):
    """Of many techniques at once, the cheap Jacobian penalty's tangents and spatial dropout among them."""
    shape = (3, 32, 32) if model == "lenet_prime" else (1, 28, 28)
    cases = [(terms, f"{model} width={width}") for terms in MANY]
    same_gradients(cases, shape, built_for(WIDTHS[width])[kind])


def same_gradients(cases: list[tuple[Terms, str]], shape: tuple[int, ...], kernels: Kernels) -> None:
    config = [run(terms, seed, steps=1, model=model) for seed, (terms, model) in enumerate(cases)]
    exact_losses, exact = losses_and_gradients(config, shape, torch.float64, None)
    _, single = losses_and_gradients(config, shape, torch.float32, None)
    losses, found = losses_and_gradients(config, shape, torch.float32, kernels)
    torch.testing.assert_close(losses.double(), exact_losses.double(), rtol=1e-5, atol=1e-6)
    for name, gradient in found.items():
        size = exact[name].abs().max().item() + 1e-12
        error = (gradient - exact[name]).abs().max().item() / size
        torchs = (single[name] - exact[name]).abs().max().item() / size
        assert error < max(3 * torchs, 2e-6), (name, error, torchs)


def test_torch_passes_are_left_alone_in_float64(built):
    """The oracle: float64 goes through torch's layers even where kernels are there."""
    network = models.build("lenet5", [0], shape=(1, 28, 28), classes=10)
    assert network.fuse(built[KINDS[0]])
    x = torch.randn(1, 2, 1, 28, 28, dtype=torch.float64)
    assert network.double()(x).dtype == torch.float64


@pytest.fixture
def colour(tmp_path) -> Path:
    """A data root with random images of 32×32 in colour."""
    source = np.random.default_rng(0)
    parts = {"train": 200, "test": 20}
    arrays = {
        f"{part}_images": source.integers(0, 256, (n, 32, 32, 3), np.uint8) for part, n in parts.items()
    }
    arrays |= {f"{part}_labels": np.arange(n) % 10 for part, n in parts.items()}
    np.savez(tmp_path / "noise.npz", **arrays)
    return tmp_path


def trained(runs: list[RunConfig], root: Path, steps: int) -> dict[str, Tensor]:
    trainer = Trainer(runs, PackPaths(root / "none"), Ranks.here(), root)
    assert trainer.kernels[-1].startswith("fused")
    trainer.start()
    for _ in range(steps):
        trainer.advance()
    return {name: parameter.detach() for name, parameter in trainer.model.named_parameters()}


def test_packed_equals_alone_bitwise_over_200_steps_on_images_in_colour(colour):
    """The others: `test_bitwise.py`."""
    weak, strong = TOGETHER
    runs = [
        run((weak, strong)[seed % 2], seed // 2, steps=200, model="lenet_prime", data="noise", per_class=5)
        for seed in range(8)
    ]
    whole = trained(runs, colour, 200)
    for first, last in ((5, 6), (2, 4), (0, 3)):
        part = trained(runs[first:last], colour, 200)
        for name, weight in part.items():
            assert torch.equal(whole[name][first:last], weight), (name, first, last)


@pytest.mark.parametrize(
    "model",
    ["lenet5 width=0.5", "lenet_prime width=1.5", "lenet5 width=2", "lenet5_tanh", "lenet5_tanh width=0.8"],
)
def test_packed_equals_alone_bitwise_at_any_width(model, tmp_path):
    runs = [run(TOGETHER[seed % 2], seed // 2, steps=40, model=model) for seed in range(4)]
    whole = trained(runs, tmp_path, 40)
    for first, last in ((1, 2), (2, 4)):
        part = trained(runs[first:last], tmp_path, 40)
        for name, weight in part.items():
            assert torch.equal(whole[name][first:last], weight), (name, first, last)


@pytest.mark.parametrize("model", ["lenet5", "lenet5_tanh"])
def test_both_paths_train_the_same(model, tmp_path, monkeypatch, fresh):
    """Over a few steps: what rounding makes of it later grows without bound."""
    runs = [run(terms, 0, steps=10, model=model) for terms in CASES["l2_dropout_jacobian"]]
    found = trained(runs, tmp_path, 10)
    fused.chosen.cache_clear()
    monkeypatch.setenv(fused.SETTING, "torch")
    with warnings.catch_warnings():
        trainer = Trainer(runs, PackPaths(tmp_path / "none"), Ranks.here(), None)
    assert trainer.kernels[-1].startswith("torch")
    trainer.start()
    for _ in range(10):
        trainer.advance()
    for name, parameter in trainer.model.named_parameters():
        torch.testing.assert_close(found[name], parameter.detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("model", "weight"), [("lenet5", 1e30), ("lenet5_tanh", math.nan)])
def test_a_diverging_run_is_seen_and_its_mates_do_not_notice(model, weight, tmp_path):
    runs = [run(CASES["none"][0], seed, steps=30, model=model) for seed in range(3)]
    alone = trained(runs[2:], tmp_path, 30)
    trainer = Trainer(runs, PackPaths(tmp_path / "none"), Ranks.here(), None)
    trainer.start()
    with torch.no_grad():
        trainer.model.get_parameter("conv1.weight")[1] = weight
    for _ in range(30):
        trainer.advance()
    assert trainer.ended.diverged.tolist()[1] > 0
    assert trainer.ended.diverged.tolist()[::2] == [0, 0]
    for name, expected in alone.items():
        assert torch.equal(trainer.model.get_parameter(name)[2:], expected)
