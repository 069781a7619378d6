"""Networks to be examined, on real digits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from regularize import models
from regularize.batches import Batches
from regularize.config import RunConfig
from regularize.data import load
from regularize.data.data_config import DataConfig
from regularize.distributed import Ranks
from regularize.evaluation.accuracy import logits
from regularize.evaluation.examined import CHUNK, Examined
from regularize.evaluation.extent import Extent, Sizes
from regularize.evaluation.final import measure
from regularize.evaluation.settings import Evaluation, Robustness
from regularize.models.network import Network
from regularize.schedule import Timeline
from regularize.training_config import Training

ROBUSTNESS = Robustness(noise=(0.3,), fgsm=(0.1,), pgd=(0.02, 0.05), examples=40)
EVALUATION = Evaluation(
    curve_examples=1000, train_examples=100, jacobian_examples=30, robustness=ROBUSTNESS
)  # curves on all there is


def untrained(
    seeds: Sequence[int],
    *,
    model: str = "lenet5_tanh",
    data: str = "digits",
    dtype: torch.dtype = torch.float64,
) -> Examined:
    """Networks as they start, with the whole of a data set."""
    dataset = load(data)
    batches = Batches(dataset, dtype, torch.device("cpu"))
    network = models.build(model, seeds, shape=batches.shape, classes=dataset.classes).to(dtype)
    return examined(network, seeds, batches, dataset.classes)


def examined(
    network: Network, seeds: Sequence[int], batches: Batches, classes: int, ranks: Ranks | None = None
) -> Examined:
    return Examined(model=network, seeds=seeds, batches=batches, classes=classes, ranks=ranks or Ranks.here())


def run(
    seed: int, *, steps: int = 24, precision: str = "float64", evaluation: Evaluation | None = None
) -> RunConfig:
    """A short run on digits that is measured in every way."""
    return RunConfig(
        data=DataConfig(name="digits"),
        model="lenet5",
        regularizer="none",
        terms=(),
        training=Training(steps=steps, batch_size=32, lr=0.03, precision=precision),
        evaluation=evaluation or EVALUATION,
        seed=seed,
    )


def weights(folder: Path, network: Network) -> Network:
    """The network with the weights of a finished pack."""
    state = torch.load(folder / "weights.pt", weights_only=True)
    network.load_state_dict(state["model"])
    return network


def measured() -> dict[str, torch.Tensor]:
    """Everything there is to measure of two networks as they start, by name."""
    subject = untrained([0, 1], model="lenet5", dtype=torch.float32)
    index = subject.sample(CHUNK + 9)
    outputs = logits(subject, "test", index), subject.labels("test", index)
    evaluation = Evaluation(jacobian_examples=CHUNK + 2, robustness=ROBUSTNESS)
    sizes = Sizes(train=1000, validation=100, test=360, classes=10)
    extent = Extent.of(evaluation, Timeline(steps=100, per_epoch=10), sizes)
    found = measure(subject, evaluation, extent, {"validation": outputs, "test": outputs})
    return {
        "logits": outputs[0],
        **found.scores,
        **found.spectra,
        **{f"{a.attack} {a.size}": a.accuracy for a in found.attacks},
    }
