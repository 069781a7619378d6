"""Adam over parameters with a run axis: as torch has it, and with all that a step changes on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class Adam:
    """`torch.optim.Adam(foreach=True)` bit by bit, or AdamW, with its state by the same names.

    Making one of torch's imports its compiler: 2 s and 150 MB for every worker. And where the learning rate
    is a tensor of the device, steps are counted there, and what hangs on their number is computed there in
    float64: so a step is like the one before, and can be noted down as a graph. `decay` is AdamW's, of the
    first `decayed` parameters.

    References:
        Kingma and Ba, Adam: a method for stochastic optimization, 2015.
        Loshchilov and Hutter, Decoupled weight decay regularization, 2019.
    """

    def __init__(
        self, parameters: Sequence[Tensor], *, lr: float, decay: float = 0.0, decayed: int = 0
    ) -> None:
        self.param_groups: list[dict[str, Any]] = [{"lr": lr, "betas": (0.9, 0.999), "eps": 1e-8}]
        self.parameters, self.decay, self.decayed = list(parameters), decay, decayed
        # By the parameter's number, of those that had a gradient.
        self.means: dict[int, Tensor] = {}
        self.squares: dict[int, Tensor] = {}
        self.made: dict[int, int | Tensor] = {}
        """Steps; on the device one tensor [] float64 for all, as there all have a gradient in each."""

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        gradients = {number: p.grad for number, p in enumerate(self.parameters) if p.grad is not None}
        if not gradients:
            return
        (group,) = self.param_groups
        rate, (first, second) = group["lr"], group["betas"]
        self._count(gradients, rate)
        self._pull(gradients, rate)
        ways = list(gradients.values())
        means, squares = ([known[number] for number in gradients] for known in (self.means, self.squares))
        torch._foreach_lerp_(means, ways, 1 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, ways, ways, 1 - second)
        scales = torch._foreach_sqrt(squares)
        parameters = [self.parameters[number] for number in gradients]
        made = [self.made[number] for number in gradients]
        if isinstance(rate, Tensor):
            like, seen = ways[0].dtype, 1 - second ** made[0]
            torch._foreach_div_(scales, seen.sqrt().to(like))
            torch._foreach_add_(scales, group["eps"])
            changes = torch._foreach_div(means, scales)
            torch._foreach_mul_(changes, (-rate / (1 - first ** made[0])).to(like))
            torch._foreach_add_(parameters, changes)
        else:
            torch._foreach_div_(scales, [(1 - second**count) ** 0.5 for count in made])
            torch._foreach_add_(scales, group["eps"])
            torch._foreach_addcdiv_(parameters, means, scales, [-rate / (1 - first**count) for count in made])

    def _count(self, gradients: dict[int, Tensor], rate: float | Tensor) -> None:
        for number in gradients.keys() - self.means.keys():
            self.means[number] = torch.zeros_like(self.parameters[number])
            self.squares[number] = torch.zeros_like(self.parameters[number])
        if not isinstance(rate, Tensor):
            self.made |= {number: self.made.get(number, 0) + 1 for number in gradients}
            return
        made = next(iter(self.made.values()), 0)
        if not isinstance(made, Tensor):
            made = torch.full((), made, dtype=torch.float64, device=rate.device)
            self.made = dict.fromkeys(gradients, made)
        made += 1

    def _pull(self, gradients: dict[int, Tensor], rate: float | Tensor) -> None:
        decayed = [self.parameters[number] for number in gradients if number < self.decayed]
        if decayed and self.decay:
            kept = 1 - rate * self.decay
            torch._foreach_mul_(decayed, kept.to(decayed[0].dtype) if isinstance(kept, Tensor) else kept)

    def reach(self, parameter: Tensor) -> Tensor:
        """See `optimizer.reach`."""
        (group,) = self.param_groups
        number = next(number for number, each in enumerate(self.parameters) if each is parameter)
        seen = 1 - group["betas"][1] ** self.made[number]
        scale = (self.squares[number] / seen).sqrt_().add_(group["eps"])
        steps: Tensor = group["lr"] / scale
        return steps

    def state_dict(self) -> dict[str, Any]:
        state = {
            number: {
                "step": made if isinstance(made, Tensor) else torch.tensor(float(made)),
                "exp_avg": self.means[number],
                "exp_avg_sq": self.squares[number],
            }
            for number, made in self.made.items()
        }
        return {"state": state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        state = state_dict["state"]
        self.made = {number: int(values["step"].item()) for number, values in state.items()}
        self.means, self.squares = (
            {number: values[name].to(self.parameters[number], copy=True) for number, values in state.items()}
            for name in ("exp_avg", "exp_avg_sq")
        )
