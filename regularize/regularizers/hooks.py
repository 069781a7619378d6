"""Where a technique can act in a training step: the one interface of all regularizers.

A technique is a `Hooks` of plain functions; those it leaves out do nothing. Everything carries
the run axis R first, so that a pack's runs, each with its own strength, read as one batched formula.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from regularize.convolutions import Convolution
from regularize.draws import Draws
from regularize.jacobians import Jacobians
from regularize.regularizers.batch import Batch
from regularize.regularizers.parameters import strength_factor
from regularize.run_by_run import total

Weights = Mapping[str, Tensor]
"""Weights without biases by parameter name, [R, out, in·k·k]; views that can be written in place."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """A technique's parameters for a pack: strengths [R], and the options all runs share."""

    strengths: Mapping[str, Tensor]
    options: Mapping[str, Any]
    memory: dict[str, Tensor] = field(default_factory=dict)
    """What a technique keeps from step to step, the run axis first: a part of checkpoints."""
    convolutions: Callable[[], Mapping[str, Convolution]] = dict
    """The network's convolutions as what they do to images, by parameter name."""

    def at(self, progress: float | Tensor) -> Given:
        """With the strengths of a step, by the share of all steps before it: a number, or [] float64."""
        if isinstance(progress, Tensor):
            factor = _strength_factor(self.options, progress)
        else:
            factor = strength_factor(self.options, progress)
        if not isinstance(factor, Tensor) and factor == 1:
            return self
        return replace(self, strengths={name: factor * each for name, each in self.strengths.items()})

    def over(self, name: str, tensor: Tensor) -> Tensor:
        """The strength `name` as [R, 1, 1, …], to be broadcast over a tensor with R first."""
        strength = self.strengths[name].to(tensor.dtype)
        return strength.view(-1, *[1] * (tensor.ndim - 1))


def _strength_factor(options: Mapping[str, Any], progress: Tensor) -> Tensor | float:
    """`strength_factor` of what no number of the host's says; a number where it is always the same."""
    warmup: float = options["warmup"]
    later: Tensor | float = 1.0
    if options["schedule"] == "cosine":
        later = (1 + (math.pi * (progress - warmup) / (1 - warmup)).cos()) / 2
    return torch.where(progress < warmup, progress / warmup, later) if warmup else later


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One forward pass of a pack: what penalties are computed from.

    Attributes:
        weights: the clean weights, not the ones that weight noise perturbed. The loss can be differentiated
            by them where hooks say so (`differentiates_weights`), by `weight_gradients`.
        logits: [R, B, K].
        batch: the examples that were passed, and their labels.
        share: what a local example counts: ranks / global batch.
        jacobians: ∂logits/∂inputs; to be used by techniques that say so in their hooks.
    """

    weights: Weights
    logits: Tensor
    batch: Batch
    share: float
    draws: Draws
    jacobians: Jacobians

    @cached_property
    def log_probabilities(self) -> Tensor:
        """[R, B, K]."""
        return F.log_softmax(self.logits, dim=-1)

    @cached_property
    def cross_entropy(self) -> Tensor:
        """[R, B], in nats, against the labels; of a mixed example the mean over both of its labels."""
        return self.batch.over_labels(lambda labels: -self.log_probability_of(labels))

    def log_probability_of(self, labels: Tensor) -> Tensor:
        """[R, B]"""
        return self.log_probabilities.gather(-1, labels.unsqueeze(-1)).squeeze(-1)

    def weight_gradients(self) -> dict[str, Tensor]:
        """∂ mean cross-entropy / ∂ weights by name, [R, out, in·k·k], of the global batch; differentiable."""
        weights = list(self.weights.values())
        found = torch.autograd.grad(self.mean(self.cross_entropy).sum(), weights, create_graph=True)
        whole: list[Tensor] = [_MeanOverRanks.apply(each) for each in found]
        return dict(zip(self.weights, whole, strict=True))

    def mean(self, per_example: Tensor) -> Tensor:
        """[R, B] to [R]: the mean over the global batch, once all ranks' values are averaged."""
        return per_example.sum(1) * self.share


@dataclass(frozen=True, kw_only=True)
class StepEnd:
    """When `after_step` is called: after the optimizer, at this step of so many.

    `reach` of a parameter's name is how far this step moves each of its weights, as [R, out, in·k·k] or one
    number for all, where the gradient has been 1 for long. `rates` [R] are learning rates, `per_epoch`
    the number of steps in an epoch.
    """

    step: int | Tensor  # counted from 1; in a graph of a step [] float64 on the device
    steps: int
    reach: Callable[[str], Tensor | float]
    rates: Tensor = field(default_factory=lambda: torch.zeros(0))
    per_epoch: int = 1

    @property
    def progress(self) -> float | Tensor:
        """The share of all steps that lies before this one."""
        return (self.step - 1) / self.steps


class Verdict(NamedTuple):
    """On the weights of each run, [R] bool: whether they are the best so far, and whether to end here."""

    best: Tensor
    stop: Tensor


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """The functions of a technique, in the order of a training step.

    Attributes:
        start: (weights, given), in place, once after initialisation, unless a sweep says how weights start.
        remember: (weights, given), once after that: what `given.memory` begins with.
        batch: (batch, given, draws) to the batch that takes its place.
        inputs: (x [R, B, …], pixel, given, draws) to x; x is normalised and `pixel` [C, 1, 1]
            is what a change of one full pixel range amounts to in it.
        weight: (parameter name, w [R, …], given, draws) to the weight that this step runs with.
        hidden: (layer name, h [R, B, units], given, draws) to what h is multiplied with, a constant;
            None where it does not act.
        channels: (layer name, h [R, B, C, pixels], given, draws) to the same of a convolution's output.
        penalty: (pass, given) to [R], strength included, added to the mean cross-entropy.
        proximal: the same, of what `after_step` sees to: part of the objective, not of its gradient.
        ascend: (gradients by parameter name, given) to by how much parameters are moved by name: the step's
            gradient is then that of a second pass from there, of the same batch and draws.
        gradients: (gradients by parameter name, given, draws), in place, once they are averaged over ranks.
        before_step: (weights, given, step end), in place, before the optimizer.
        after_step: (weights, given, step end), in place.
        project: the same, once all techniques' `after_step` are done.
        projects: (options, step, steps) to whether it does after this step (counted from 1) of so many: it
            always does unless this is given.
        keep: (given, step end) to how much of the weights after this step, [R] in [0, 1], goes into those
            that are evaluated; the rest stays as they were.
        watch: (validation loss and accuracy [R], given) to a `Verdict`, asked every so many steps, the option
            `every`, or at the ends of epochs. The best weights are evaluated; a run that stops is left
            as it is.
        evaluated: (weights, given), in place, on those that are evaluated.
        differentiates_inputs: whether `penalty` uses the Jacobians.
        differentiates_weights: whether it uses `weight_gradients`; LeNets then train without fused stages.
    """

    start: Callable[[Weights, Given], None] | None = None
    remember: Callable[[Weights, Given], None] | None = None
    batch: Callable[[Batch, Given, Draws], Batch] | None = None
    inputs: Callable[[Tensor, Tensor, Given, Draws], Tensor] | None = None
    weight: Callable[[str, Tensor, Given, Draws], Tensor] | None = None
    hidden: Callable[[str, Tensor, Given, Draws], Tensor | None] | None = None
    channels: Callable[[str, Tensor, Given, Draws], Tensor | None] | None = None
    penalty: Callable[[Pass, Given], Tensor] | None = None
    proximal: Callable[[Pass, Given], Tensor] | None = None
    ascend: Callable[[Weights, Given], Mapping[str, Tensor]] | None = None
    gradients: Callable[[Weights, Given, Draws], None] | None = None
    before_step: Callable[[Weights, Given, StepEnd], None] | None = None
    after_step: Callable[[Weights, Given, StepEnd], None] | None = None
    project: Callable[[Weights, Given, StepEnd], None] | None = None
    projects: Callable[[Mapping[str, Any], int, int], bool] | None = None
    keep: Callable[[Given, StepEnd], Tensor] | None = None
    watch: Callable[[Tensor, Tensor, Given], Verdict] | None = None
    evaluated: Callable[[Weights, Given], None] | None = None
    differentiates_inputs: bool = False
    differentiates_weights: bool = False


class _MeanOverRanks(torch.autograd.Function):
    """Of what each rank has of one and the same quantity; so its gradient is, once DDP has averaged it."""

    @staticmethod
    def forward(_ctx: Any, value: Tensor) -> Tensor:
        return _mean_over_ranks(value)

    @staticmethod
    def backward(_ctx: Any, slope: Tensor) -> Tensor:
        return _mean_over_ranks(slope)


def _mean_over_ranks(value: Tensor) -> Tensor:
    if not (dist.is_available() and dist.is_initialized()):
        return value.clone()
    value = value.clone(memory_format=torch.contiguous_format)  # nccl takes no other
    dist.all_reduce(value)
    return value / dist.get_world_size()


def sum_over_weights(weights: Weights, each: Callable[[Tensor], Tensor]) -> Tensor:
    """Σ over layers of `each`([R, out, in·k·k]) summed over its entries: [R]."""
    return total(each(weight).flatten(1).sum(1) for weight in weights.values())
