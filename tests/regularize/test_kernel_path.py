"""What is said beforehand of the kernels of a run is what its trainer then takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from regularize import convolution_setting, fused, kernel_path
from regularize.config import RunConfig, Term
from regularize.distributed import Ranks
from regularize.regularizers import REGULARIZERS, implementation
from regularize.store import PackPaths
from regularize.trainer import Trainer
from tests.regularize.cases import run

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root with random images of 28×28, `noise1`, `noise3` and `noise4` by their channels."""
    source = np.random.default_rng(0)
    for channels in (1, 3, 4):
        arrays = {
            f"{part}_images": source.integers(0, 256, (n, 28, 28, channels), np.uint8)
            for part, n in (("train", 200), ("test", 20))
        }
        labels = {f"{part}_labels": np.arange(n) % 10 for part, n in (("train", 200), ("test", 20))}
        np.savez(tmp_path / f"noise{channels}.npz", **arrays, **labels)
    return tmp_path


def taken(config: RunConfig, root: Path) -> str:
    """What a trainer takes; it has no step behind it."""
    return Trainer([config], PackPaths(root / "none"), Ranks.here(), root).kernels[-1]


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(
    "model",
    ["lenet5", "lenet5 width=2", "lenet5 width=0.5", "lenet5 width=9", "lenet5_tanh", "lenet_prime", "mlp"],
)
def test_it_goes_by_model_width_and_channels(model: str, channels: int, root: Path) -> None:
    config = run((), 0, steps=1, model=model, data=f"noise{channels}", per_class=5)
    said = kernel_path.expected(config, channels)
    assert said == taken(config, root)
    usual = model in ("lenet5", "lenet5_tanh", "lenet_prime") and channels < 4
    assert not usual or said == fused.expected()


@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
@pytest.mark.filterwarnings("ignore:on a CPU, bfloat16")
def test_it_goes_by_precision(precision: str, root: Path) -> None:
    config = run((), 0, steps=1, precision=precision)
    assert kernel_path.expected(config, 1) == taken(config, root) == f"torch: {precision} on cpu"


def test_it_goes_by_what_techniques_differentiate(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    config = run((Term.build("own_techniques:GRADIENT_NORM", {"strength": 1.0}),), 0, steps=1)
    assert kernel_path.expected(config, 1) == taken(config, root)
    assert "differentiates" in kernel_path.why_torch(config, 1)


def test_no_technique_of_the_table_differentiates_by_weights() -> None:
    """`why_torch` asks those of one's own alone: the others' hooks import torch."""
    assert not [name for name in REGULARIZERS if implementation(name).differentiates_weights]


@pytest.mark.parametrize("model", ["lenet5", "lenet5_tanh", "resnet8"])
def test_it_goes_by_the_environment(model: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = run((), 0, steps=1, model=model)
    monkeypatch.setenv(convolution_setting.SETTING, "products")
    assert kernel_path.expected(config, 1) == taken(config, root)
    monkeypatch.delenv(convolution_setting.SETTING)
    monkeypatch.setenv(fused.SETTING, "torch")
    fused.chosen.cache_clear()
    assert kernel_path.expected(config, 1) == taken(config, root)
    fused.chosen.cache_clear()
