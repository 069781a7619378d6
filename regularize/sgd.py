"""SGD over parameters with a run axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


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
            ways, rate = list(changes.values()), group["lr"]
            if isinstance(rate, Tensor):
                torch._foreach_add_(parameters, torch._foreach_mul(ways, -rate.to(ways[0].dtype)))
            else:
                torch._foreach_add_(parameters, ways, alpha=-rate)

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

    def reach(self, _parameter: Tensor) -> float | Tensor:
        """See `optimizer.reach`."""
        (group,) = self.param_groups
        found: float | Tensor = group["lr"] / (1 - group["momentum"])
        return found
