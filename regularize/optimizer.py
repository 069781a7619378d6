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
        self.param_groups: list[dict[str, Any]] = [
            {"params": list(parameters), "lr": lr, "momentum": momentum}
        ]
        self.state: dict[Tensor, dict[str, Tensor]] = {}

    def zero_grad(self) -> None:
        for parameter in self.param_groups[0]["params"]:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        group = self.param_groups[0]
        parameters = [p for p in group["params"] if p.grad is not None]
        changes = [p.grad for p in parameters]
        if not parameters:
            return
        if group["momentum"]:
            changes = self._accumulated(parameters, changes, group["momentum"])
        torch._foreach_add_(parameters, changes, alpha=-group["lr"])

    def _accumulated(
        self, parameters: list[Tensor], gradients: list[Tensor], momentum: float
    ) -> list[Tensor]:
        old = [number for number, p in enumerate(parameters) if p in self.state]
        buffers = [self.state[parameters[number]]["momentum_buffer"] for number in old]
        if buffers:
            torch._foreach_mul_(buffers, momentum)
            torch._foreach_add_(buffers, [gradients[number] for number in old])
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if parameter not in self.state:
                self.state[parameter] = {"momentum_buffer": gradient.detach().clone()}
        return [self.state[parameter]["momentum_buffer"] for parameter in parameters]

    def state_dict(self) -> dict[str, Any]:
        group = self.param_groups[0]
        numbers = {parameter: number for number, parameter in enumerate(group["params"])}
        state = {numbers[parameter]: values for parameter, values in self.state.items()}
        return {"state": state, "param_groups": [group | {"params": list(numbers.values())}]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        group = self.param_groups[0]
        parameters = group["params"]
        group["lr"] = state_dict["param_groups"][0]["lr"]
        self.state = {
            parameters[number]: {"momentum_buffer": values["momentum_buffer"].to(parameters[number]).clone()}
            for number, values in state_dict["state"].items()
            if values.get("momentum_buffer") is not None
        }


def build(training: Training, model: nn.Module) -> Optimizer:
    """SGD or Adam as one multi-tensor update of all runs; AdamW decays weights, not biases."""
    parameters = list(model.parameters())
    if training.optimizer == "sgd":
        return SGD(parameters, lr=training.lr, momentum=training.momentum)
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


def finite_runs(parameters: Sequence[Tensor]) -> Tensor:
    """Which runs have finite gradients, [R] bool; the same on every rank, once gradients are."""
    sums = [p.grad.flatten(1).sum(1) for p in parameters if p.grad is not None]
    return torch.stack(sums).sum(0).isfinite()


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
