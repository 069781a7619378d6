"""Layers of R networks side by side: every parameter has a leading run axis.

Convolutions work on [B, R·C, H, W] with channels last, as one grouped convolution; linear layers
on [R, B, F], as one batched matrix product. `fold` and `unfold` go between that and [R, B, C, H, W].
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def fold(x: Tensor) -> Tensor:
    """[R, B, C, H, W] to [B, R·C, H, W], channels last."""
    return x.transpose(0, 1).flatten(1, 2).contiguous(memory_format=torch.channels_last)


def unfold(x: Tensor, runs: int) -> Tensor:
    """[B, R·C, H, W] to [R, B, C, H, W]."""
    images, channels, height, width = x.shape
    return x.view(images, runs, channels // runs, height, width).transpose(0, 1)


class RunConv2d(nn.Module):
    """R convolutions, [B, R·in, H, W] to [B, R·out, H', W']; weight [R, out, in, k, k], bias [R, out]."""

    def __init__(self, runs: int, inputs: int, outputs: int, kernel: int, padding: int = 0) -> None:
        super().__init__()
        self.runs, self.padding = runs, padding
        self.weight = nn.Parameter(torch.zeros(runs, outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(runs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        return F.conv2d(x, weight, self.bias.flatten(), padding=self.padding, groups=self.runs)


class RunLinear(nn.Module):
    """R linear maps, [R, B, in] to [R, B, out]; weight [R, out, in], bias [R, out]."""

    def __init__(self, runs: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(runs, outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(runs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias.unsqueeze(1), x, self.weight.transpose(1, 2))


def max_pool(x: Tensor, size: int) -> Tensor:
    """Maximum pooling of [B, C, H, W] whose choice among equals does not hang on rounding.

    Where an image is flat, all values of a window are mathematically equal. Which of them comes
    out ahead by a last bit depends on how the convolution was computed (packed or alone), and the
    Jacobian with respect to the inputs depends on which is chosen. In float64, where packed and
    alone are held equal, the choice is therefore made on float32 values; the first of equals wins.
    """
    if x.dtype != torch.float64:
        return F.max_pool2d(x, size)
    _, index = F.max_pool2d(x.float(), size, return_indices=True)
    return x.flatten(2).gather(2, index.flatten(2)).view(index.shape)


class ScaledTanh(nn.Module):
    """1.7159·tanh(2x/3), LeCun's squashing function (LeCun et al. 1998, appendix A)."""

    def forward(self, x: Tensor) -> Tensor:
        return 1.7159 * torch.tanh(x * (2 / 3))
