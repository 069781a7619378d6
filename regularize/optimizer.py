"""The optimizer over parameters with a run axis, and the freezing of runs that diverged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from regularize.training_config import Training


class Optimizer(Protocol):
    """What is used of an optimizer of `torch.optim`."""

    param_groups: list[dict[str, Any]]

    def zero_grad(self) -> None: ...
    def step(self) -> object: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...


class SGD:
    """`torch.optim.SGD(foreach=True)` bit by bit, with its state by the same names.

    Making one of torch's imports its compiler: 2 s and 150 MB for every worker.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], *, lr: float, momentum: float) -> None:
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


def build(training: Training, model: nn.Module) -> Optimizer:
    """SGD or Adam as one multi-tensor update of all runs; AdamW decays weights, not biases."""
    parameters = list(model.parameters())
    if training.optimizer == "sgd":
        return SGD(parameters, lr=training.lr, momentum=training.momentum or 0)
    if training.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=training.lr, foreach=True)
    decay = [p for name, p in model.named_parameters() if name.endswith("weight")]
    others = [p for name, p in model.named_parameters() if not name.endswith("weight")]
    groups = [
        {"params": decay, "weight_decay": training.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=training.lr, foreach=True)


def set_rate(optimizer: Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def reach(optimizer: Optimizer, training: Training, parameter: Tensor) -> Tensor | float:
    """How far the step just made moves each weight where the gradient has been 1 for long.

    η with plain SGD and η/(1−m) with momentum m; with Adam and AdamW η/(√v̂ + ε) of every weight, v̂ being
    the mean of its squared gradients.
    """
    group = optimizer.param_groups[0]
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
