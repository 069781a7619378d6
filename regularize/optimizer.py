"""The optimizer over parameters with a run axis, and the freezing of runs that diverged."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from regularize.adam import Adam
from regularize.models.network import Network
from regularize.sgd import SGD
from regularize.training_config import Training

Named = Sequence[tuple[str, Tensor]]
"""Parameters by name."""


class Optimizer(Protocol):
    """What is used of an optimizer, by the names of `torch.optim`."""

    param_groups: list[dict[str, Any]]

    def zero_grad(self) -> None: ...
    def step(self) -> object: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...
    def reach(self, parameter: Tensor) -> Tensor | float: ...


class OneForEach:
    """An optimizer for every run of a pack, where its runs differ in learning rate, momentum or decay.

    Each works on its run's rows of the parameters: the same numbers, bit by bit, as one for all of them.
    """

    def __init__(
        self,
        trainings: Sequence[Training],
        parameters: Sequence[tuple[str, nn.Parameter]],
        decayed: Collection[str],
    ) -> None:
        self.parameters = [parameter for _, parameter in parameters]
        self.rows = [[(name, p.detach()[run]) for name, p in parameters] for run in range(len(trainings))]
        self.each = [
            _one(training, rows, decayed) for training, rows in zip(trainings, self.rows, strict=True)
        ]

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        for run, (rows, optimizer) in enumerate(zip(self.rows, self.each, strict=True)):
            for (_, row), parameter in zip(rows, self.parameters, strict=True):
                row.grad = None if parameter.grad is None else parameter.grad[run]
            optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        return {"each": [optimizer.state_dict() for optimizer in self.each]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for optimizer, state in zip(self.each, state_dict["each"], strict=True):
            optimizer.load_state_dict(state)


def build(trainings: Sequence[Training], model: Network) -> Optimizer | OneForEach:
    """SGD or Adam as one multi-tensor update of all runs; AdamW decays what techniques act on as weights.

    `trainings` are those of the runs, in the order of the parameters' first axis.
    """
    parameters, decayed = list(model.named_parameters()), model.weights().keys()
    first, *others = trainings
    if any(training != first for training in others):
        return OneForEach(trainings, parameters, decayed)
    return _one(first, parameters, decayed)


def _one(training: Training, named: Named, decayed: Collection[str]) -> Optimizer:
    parameters = [parameter for _, parameter in named]
    if training.optimizer == "sgd":
        return SGD(parameters, lr=training.lr, momentum=training.momentum or 0)
    if training.optimizer == "adam":
        return Adam(parameters, lr=training.lr)
    weights = [parameter for name, parameter in named if name in decayed]
    biases = [parameter for name, parameter in named if name not in decayed]
    return Adam([*weights, *biases], lr=training.lr, decay=training.weight_decay, decayed=len(weights))


def set_rates(optimizer: Optimizer | OneForEach, rates: Sequence[float] | Tensor) -> None:
    """The learning rates of the runs for the next step: numbers, or a tensor [R] of their device."""
    each = optimizer.each if isinstance(optimizer, OneForEach) else [optimizer]
    for one, rate in zip(each, rates, strict=False):  # one for all takes the first: they are the same
        for group in one.param_groups:
            group["lr"] = rate


def reach(optimizer: Optimizer | OneForEach, parameter: Tensor) -> Tensor | float:
    """How far the step just made moves each weight where the gradient has been 1 for long.

    η with plain SGD and η/(1−m) with momentum m; with Adam and AdamW η/(√v̂ + ε) of every weight, v̂ being
    the mean of its squared gradients. One number, or a tensor that is broadcast over the parameter [R, …].
    """
    if not isinstance(optimizer, OneForEach):
        return optimizer.reach(parameter)
    place = next(place for place, each in enumerate(optimizer.parameters) if each is parameter)
    each = zip(optimizer.each, optimizer.rows, strict=True)
    found = [one.reach(rows[place][1]) for one, rows in each]
    if not isinstance(found[0], Tensor):
        return parameter.new_tensor(found).view(-1, *[1] * (parameter.ndim - 1))
    whole = torch.stack([each for each in found if isinstance(each, Tensor)])
    return whole.to(parameter.dtype).view(-1, *whole.shape[1:] or [1] * (parameter.ndim - 1))


def finite_runs(parameters: Sequence[Tensor]) -> Tensor:
    """Which runs have finite gradients, [R] bool; the same on every rank, once gradients are."""
    gradients = [p.grad.flatten(1) for p in parameters if p.grad is not None]
    return torch.cat(gradients, 1).sum(1).isfinite()


@contextmanager
def moved(model: nn.Module, by: Sequence[Mapping[str, Tensor]]) -> Iterator[None]:
    """Inside, parameters are moved by these, by name; afterwards they are bit by bit as before."""
    named = dict(model.named_parameters())
    before = {name: parameter.detach().clone() for name, parameter in named.items()}
    with torch.no_grad():
        for each in by:
            for name, way in each.items():
                named[name].add_(way)
    yield
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_(before[name])


@contextmanager
def frozen(parameters: Sequence[Tensor], runs: Tensor) -> Iterator[None]:
    """Whatever happens inside, the parameters of `runs` [R] bool are afterwards bit by bit as before."""
    if runs.device.type != "cpu":
        with held(parameters, runs):
            yield
        return
    if not runs.any():
        yield
        return
    before = [p.detach()[runs] for p in parameters]
    yield
    with torch.no_grad():
        for parameter, rows in zip(parameters, before, strict=True):
            parameter[runs] = rows


@contextmanager
def held(parameters: Sequence[Tensor], runs: Tensor) -> Iterator[None]:
    """The same by a mask, so that nobody has to know how many they are: asking would be a wait."""
    before = [p.detach().clone() for p in parameters]
    yield
    with torch.no_grad():
        for parameter, kept in zip(parameters, before, strict=True):
            parameter.copy_(torch.where(runs.view(-1, *[1] * (parameter.ndim - 1)), kept, parameter))
