"""How much memory a task takes that trains so many runs side by side: computed from shapes, without a try.

What a pack adds is proportional to its runs: parameters with their gradients, the optimizer's and techniques'
copies of them; and what a step keeps of its examples for the backward pass, techniques' passes included, or
later what is measured of them, whichever is more (on a GPU, where a step is a graph, both).
Constants were set by processes that trained on a CPU; on a GPU it was not measured.
"""

from __future__ import annotations

import math
from itertools import pairwise

from regularize import models
from regularize.config import RunConfig, Term
from regularize.data.source import Facts
from regularize.kernel_path import why_torch
from regularize.models.variant import Variant

PROCESS = 700e6
"""Bytes of a worker beside its runs: Python, torch (CUDA's build), and the files that they have opened."""
ON_GPU = 600e6
"""Bytes of a GPU that every process takes there: CUDA's context and kernels, and libraries' workspaces."""
MEASURED_AT_ONCE = 128  # examples, by `regularize.evaluation.examined`
_SLACK = 1.1  # of the allocator's blocks over what is in them
_LENET_STAGES = ((6, 28, 14), (16, 10, 5))
"""Filters, and sides before and after pooling, of images of 28×28 or 32×32."""
_PLAIN = 2.0  # times what a pass leaves: it, and its gradient
# What techniques add to that: passes kept for a second derivative, copies of a batch.
_PASSES = {
    "jacobian": 3.0, "jacobian_determinant": 3.0, "gradient_penalty": 3.0, "adversarial": 1.0, "mixup": 1.0,
    "cutmix": 1.0, "cutout": 0.5, "augment": 1.0, "input_noise": 1.0,
}  # fmt: skip
# Copies of the parameters: with a gradient, of a step's changes, of the optimizer.
_COPIES = {"sgd": 9.0, "adam": 13.5, "adamw": 13.5}
_FURTHER = {
    "ema": 3.0, "swa": 3.0, "early_stopping": 2.5, "sam": 3.0, "weight_noise": 1.0, "dropconnect": 2.5,
    "l1": 1.5, "elastic_net": 1.5, "spectral_norm": 4.5,
}  # fmt: skip
# Bytes for each class, and beside them, of an example whose logits are measured and written.
_MEASURED, _BESIDE = 50, 16


def task_bytes(config: RunConfig, facts: Facts, runs: int, *, gpu: bool = False) -> float:
    """Of a task that trains and measures so many runs of this kind; on a GPU, of the GPU's memory."""
    examples = (facts.train + facts.validation + facts.test) * math.prod(facts.shape)
    return (ON_GPU + examples if gpu else PROCESS) + runs * run_bytes(config, facts, gpu=gpu)


def run_bytes(config: RunConfig, facts: Facts, *, gpu: bool = False) -> float:
    """What one run more in a pack adds."""
    number = 8 if config.training.precision == "float64" else 4
    copies = _COPIES[config.training.optimizer] + config.evaluation.snapshots
    copies += sum(_FURTHER.get(term.technique, 0.0) for term in config.terms)
    passes = _PLAIN + sum(_passes(term, facts.classes) for term in config.terms)
    fused = not gpu and not why_torch(config, facts.channels)
    batch = max(config.training.batch_size, MEASURED_AT_ONCE)
    step = _SLACK * number * batch * passes * activations(config.model, facts, fused=fused)
    examples = facts.test + facts.parts(config.data)[1]
    measured = float(examples * (facts.classes + _BESIDE) * _MEASURED)
    # A graph's memory stays its own while other things are measured.
    passing = step + measured if gpu else max(step, measured)
    return number * copies * parameters(config.model, facts) + passing


def parameters(model: str, facts: Facts) -> int:
    """Of one network; one's own is taken for a LeNet-5."""
    if residual := _residual(model):
        return round(residual.row.parameters * residual.width**2)
    units = _units(model, facts)
    connected = sum((inputs + 1) * outputs for inputs, outputs in pairwise(units))
    stages = _stages(model)
    channels = (facts.channels, *(filters for filters, _, _ in stages))
    kernels = sum((25 * inputs + 1) * outputs for inputs, outputs in pairwise(channels)) if stages else 0
    return connected + kernels


def activations(model: str, facts: Facts, *, fused: bool = False) -> float:
    """Numbers that one example leaves in a pass: inputs, and what layers give before and after they act.

    Fused stages keep what comes after pooling alone, or what is averaged, too.
    """
    if residual := _residual(model):
        blocks = (int(residual.name.removeprefix("resnet")) - 2) // 6
        stages = [(2 * blocks + 1, 16), (2 * blocks, 32), (2 * blocks, 64)]  # convolutions, with filters
        channels: float = sum(n * residual.scaled(f) * (16 / f) ** 2 for n, f in stages)  # of all pixels
        return math.prod(facts.shape) + 3 * facts.side**2 * channels  # convolved, normalised, and acted on
    pooled_alone = fused and not _averages(model)
    sides = ((filters, 0 if pooled_alone else before, after) for filters, before, after in _stages(model))
    share = 1 if fused else 2
    convolved = sum(filters * (0.75 * before**2 + share * after**2) for filters, before, after in sides)
    units = sum(_units(model, facts)[1:])
    return math.prod(facts.shape) + convolved + (1.0 if fused else 1.5) * units


def _residual(model: str) -> Variant | None:
    variant = Variant.read(model) if models.packable(model) else None
    return variant if variant and variant.row.module == "resnet" else None


def _averages(model: str) -> bool:
    return models.packable(model) and Variant.read(model).row.fused == "scaled_tanh"


def _stages(model: str) -> list[tuple[int, int, int]]:
    name = model if models.packable(model) else "lenet5"
    variant = Variant.read(name)
    if variant.row.module != "lenet":
        return []
    return [(variant.scaled(filters), before, after) for filters, before, after in _LENET_STAGES]


def _units(model: str, facts: Facts) -> tuple[int, ...]:
    """Of the fully connected layers, what goes in first."""
    variant = Variant.read(model if models.packable(model) else "lenet5")
    if stages := _stages(model):
        filters, _, side = stages[-1]
        return (filters * side**2, variant.scaled(120), variant.scaled(84), facts.classes)
    return (math.prod(facts.shape), *(variant.units or (16,)), facts.classes)


def _passes(term: Term, classes: int) -> float:
    options = dict(term.options)
    if term.technique == "jacobian":
        projections = options["projections"]
        return _PASSES["jacobian"] * (classes if projections == "exact" else int(projections))
    if term.technique == "jacobian_determinant":
        return _PASSES["jacobian_determinant"] * classes
    return _PASSES.get(term.technique, 0.0)
