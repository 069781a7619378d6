"""The optimizer over parameters with a run axis, and the freezing of runs that diverged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from regularize.training_config import Training

Named = Sequence[tuple[str, Tensor]]
"""Parameters by name; a name that ends in `weight` is decayed, where anything is."""


class Optimizer(Protocol):
    """What is used of an optimizer of `torch.optim`."""

    def zero_grad(self) -> None: ...
    def step(self) -> object: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...


class SGD:
    """`torch.optim.SGD(foreach=True)` bit by bit, with its state by the same names.

    Making one of torch's imports its compiler: 2 s and 150 MB for every worker.
    """

    def __init__(self, parameters: Sequence[Tensor], *, lr: float, momentum: float) -> None:
        self.param_groups: list[dict[str, Any]] = [{"lr": lr, "momentum": momentum}]
        self.parameters = list(parameters)
        self.buffers: dict[int, Tensor] = {}
        """Momentum by the parameter's number, of those that had a gradient."""

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        (group,) = self.param_groups
        gradients = {number: p.grad for number, p in enumerate(self.parameters) if p.grad is not None}
        changes = self._accumulated(gradients, group["momentum"]) if group["momentum"] else gradients
        if changes:
            parameters: list[Tensor] = [self.parameters[number] for number in changes]
            torch._foreach_add_(parameters, list(changes.values()), alpha=-group["lr"])

    def _accumulated(self, gradients: dict[int, Tensor], momentum: float) -> dict[int, Tensor]:
        known = self.buffers.keys() & gradients.keys()
        if known:
            buffers = [self.buffers[number] for number in known]
            torch._foreach_mul_(buffers, momentum)
            torch._foreach_add_(buffers, [gradients[number] for number in known])
        self.buffers |= {number: gradients[number].clone() for number in gradients.keys() - known}
        return {number: self.buffers[number] for number in gradients}

    def state_dict(self) -> dict[str, Any]:
        state = {number: {"momentum_buffer": buffer} for number, buffer in self.buffers.items()}
        (group,) = self.param_groups
        return {"state": state, "param_groups": [group | {"params": list(range(len(self.parameters)))}]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        state = {number: values.get("momentum_buffer") for number, values in state_dict["state"].items()}
        self.buffers = {
            number: buffer.to(self.parameters[number], copy=True)
            for number, buffer in state.items()
            if buffer is not None
        }


class OneForEach:
    """An optimizer for every run of a pack, where its runs differ in learning rate, momentum or decay.

    Each works on its run's rows of the parameters: the same numbers, bit by bit, as one for all of them.
    """

    def __init__(self, trainings: Sequence[Training], parameters: Sequence[tuple[str, nn.Parameter]]) -> None:
        self.parameters = [parameter for _, parameter in parameters]
        self.rows = [[(name, p.detach()[run]) for name, p in parameters] for run in range(len(trainings))]
        self.each = [_one(training, rows) for training, rows in zip(trainings, self.rows, strict=True)]

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


def build(trainings: Sequence[Training], model: nn.Module) -> Optimizer:
    """SGD or Adam as one multi-tensor update of all runs; AdamW decays weights, not biases.

    `trainings` are those of the runs, in the order of the parameters' first axis.
    """
    parameters = list(model.named_parameters())
    first, *others = trainings
    return OneForEach(trainings, parameters) if any(t != first for t in others) else _one(first, parameters)


def _one(training: Training, named: Named) -> Optimizer:
    parameters = [parameter for _, parameter in named]
    if training.optimizer == "sgd":
        return SGD(parameters, lr=training.lr, momentum=training.momentum or 0)
    if training.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=training.lr, foreach=True)
    weights = [parameter for name, parameter in named if name.endswith("weight")]
    biases = [parameter for name, parameter in named if not name.endswith("weight")]
    groups = [
        {"params": weights, "weight_decay": training.weight_decay},
        {"params": biases, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=training.lr, foreach=True)


def set_rates(optimizer: Optimizer, rates: Sequence[float]) -> None:
    """The learning rates of the runs for the next step."""
    each = optimizer.each if isinstance(optimizer, OneForEach) else [optimizer]
    for one, rate in zip(each, rates, strict=False):  # one for all takes the first: they are the same
        for group in _groups(one):
            group["lr"] = rate


def _groups(optimizer: Optimizer) -> list[dict[str, Any]]:
    assert isinstance(optimizer, SGD | torch.optim.Optimizer)
    return optimizer.param_groups


def reach(optimizer: Optimizer, trainings: Sequence[Training], parameter: Tensor) -> Tensor | float:
    """How far the step just made moves each weight where the gradient has been 1 for long.

    η with plain SGD and η/(1−m) with momentum m; with Adam and AdamW η/(√v̂ + ε) of every weight, v̂ being
    the mean of its squared gradients. One number, or a tensor that is broadcast over the parameter [R, …].
    """
    if not isinstance(optimizer, OneForEach):
        return _reach(optimizer, trainings[0], parameter)
    place = next(place for place, each in enumerate(optimizer.parameters) if each is parameter)
    parts = zip(optimizer.each, trainings, optimizer.rows, strict=True)
    found = [_reach(each, training, rows[place][1]) for each, training, rows in parts]
    if isinstance(found[0], Tensor):
        return torch.stack([each for each in found if isinstance(each, Tensor)])
    return parameter.new_tensor(found).view(-1, *[1] * (parameter.ndim - 1))


def _reach(optimizer: Optimizer, training: Training, parameter: Tensor) -> Tensor | float:
    group = _groups(optimizer)[0]
    if training.optimizer == "sgd":
        return float(group["lr"] / (1 - (training.momentum or 0)))
    assert isinstance(optimizer, torch.optim.Optimizer)
    state = optimizer.state[parameter]
    seen = 1 - group["betas"][1] ** state["step"].item()
    scale: Tensor = (state["exp_avg_sq"] / seen).sqrt_().add_(group["eps"])
    steps: Tensor = group["lr"] / scale
    return steps


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
    """Whatever happens inside, the parameters of `runs` (an index) are afterwards as before."""
    if not len(runs):
        yield
        return
    before = [p.detach()[runs].clone() for p in parameters]
    yield
    with torch.no_grad():
        for parameter, rows in zip(parameters, before, strict=True):
            parameter[runs] = rows
