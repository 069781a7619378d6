"""Batch normalisation of someone else's module over the global batch, wherever its examples are.

The arithmetic is that of `torch.nn.SyncBatchNorm`, which exists for GPUs alone: every rank's mean and sum of
squares of each channel, of which one is made (Chan, Golub, LeVeque 1983). It can be differentiated twice.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from regularize.distributed import Ranks

_ARGUMENTS = signature(F.batch_norm)


class SumOverRanks(torch.autograd.Function):
    """The sum of what each rank has; of its gradient, too, as every rank's loss depends on every part."""

    @staticmethod
    def forward(value: Tensor) -> Tensor:
        value = value.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(value)
        return value

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(_ctx: Any, slope: Tensor) -> Tensor:
        found: Tensor = SumOverRanks.apply(slope)
        return found

    @staticmethod
    def vmap(_info: Any, in_dims: tuple[int | None], value: Tensor) -> tuple[Tensor, int | None]:
        return SumOverRanks.apply(value), in_dims[0]


class NormsOverRanks(TorchFunctionMode):
    """Inside, what is normalised over a batch in training is so over all ranks' batches.

    `counts` is whether this rank's examples are of the batch. All ranks call the module together.
    """

    def __init__(self, ranks: Ranks, counts: bool) -> None:
        super().__init__()
        self.ranks, self.counts = ranks, counts

    def __torch_function__(
        self, func: Callable[..., Any], _types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is F.batch_norm:
            given = _ARGUMENTS.bind(*args, **(kwargs or {}))
            given.apply_defaults()
            if given.arguments["training"]:
                return self._normalised(**given.arguments)
        return func(*args, **(kwargs or {}))

    def _normalised(
        self,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None,
        bias: Tensor | None,
        training: bool,
        momentum: float,
        eps: float,
    ) -> Tensor:
        """As `F.batch_norm`, input [B, C, …]."""
        x = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
        count, mean, var = self._moments(x)
        if running_mean is not None and running_var is not None:
            with torch.no_grad():
                running_mean.mul_(1 - momentum).add_(mean * momentum)
                running_var.mul_(1 - momentum).add_(var * (momentum * count / (count - 1)))
        over = (1, -1, *[1] * (x.ndim - 2))
        x = (x - mean.view(over)) * (var + eps).rsqrt().view(over)
        x = x if weight is None else x * weight.view(over)
        x = x if bias is None else x + bias.view(over)
        return x.to(input.dtype)

    def _moments(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """How many values a channel has on all ranks together, their mean and variance [C]."""
        channels, axes = x.shape[1], [0, *range(2, x.ndim)]
        here = x.numel() // channels if self.counts else 0
        mean = x.mean(axes)
        square = (x - mean.view(1, -1, *[1] * (x.ndim - 2))).square().sum(axes)
        row = torch.cat([mean.new_full((1,), here), mean, square]) * float(self.counts)
        place = torch.arange(self.ranks.world, device=x.device) == self.ranks.rank
        every: Tensor = SumOverRanks.apply(row * place.to(x.dtype).unsqueeze(1))  # a row from each
        counts, means, squares = every[:, :1], every[:, 1 : channels + 1], every[:, channels + 1 :]
        count = counts.sum()
        if here <= 1 and count <= 1:
            raise ValueError(
                f"Expected more than 1 value per channel when training, got input size {x.shape}"
            )
        mean = (counts * means).sum(0) / count
        return count, mean, (squares + counts * (means - mean).square()).sum(0) / count
