"""Layers of R networks side by side: every parameter has a leading run axis.

Convolutions work on [B, R·C, H, W] with channels last, as one grouped convolution; linear layers
on [R, B, F], as one batched matrix product. `fold` and `unfold` go between that and [R, B, C, H, W].

What a `Chain` is made of is passed by a function from a tensor to a `Link`: the layer's output there,
and its derivative.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from regularize import run_by_run
from regularize.convolution_forms import GROUPED
from regularize.normalised_groups import NormalisedGroups
from regularize.run_by_run import AddToChannels


@dataclass(frozen=True)
class Link:
    """A layer at the point where it was passed.

    Attributes:
        output: what the layer makes of its input.
        push: the derivative there, from a tangent of the input to the tangent of the output.
        depends_on: the tensors of the graph that this derivative changes with: the weight of a
            linear layer, the output of a curved activation. `push` is differentiable in them.
    """

    output: Tensor
    push: Callable[[Tensor], Tensor]
    depends_on: tuple[Tensor, ...] = ()


Layer = Callable[[Tensor], Link]


def linear(function: Callable[[Tensor], Tensor]) -> Layer:
    """A layer without weights that is linear, and so its own derivative."""
    return lambda x: Link(function(x), function)


def fold(x: Tensor, channels_last: bool = True) -> Tensor:
    """[R, B, C, H, W] to [B, R·C, H, W]."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return x.transpose(0, 1).flatten(1, 2).contiguous(memory_format=layout)


def unfold(x: Tensor, runs: int, channels_last: bool = True) -> Tensor:
    """[B, R·C, H, W] to [R, B, C, H, W]."""
    images, channels, height, width = x.shape
    if not channels_last:
        return x.reshape(images, runs, channels // runs, height, width).transpose(0, 1)
    # Channels last while they are split: so the gradient that comes back is, too.
    pixels = x.permute(0, 2, 3, 1).view(images, height, width, runs, channels // runs)
    return pixels.permute(3, 0, 4, 1, 2)


class RunConvolution(nn.Module):
    """R convolutions without a bias, [B, R·in, H, W] to [B, R·out, H', W']; weight [R, out, in, k, k]."""

    def __init__(
        self, runs: int, inputs: int, outputs: int, kernel: int, *, padding: int = 0, stride: int = 1
    ) -> None:
        super().__init__()
        self.runs, self.padding, self.stride, self.form = runs, padding, stride, GROUPED
        self.weight = nn.Parameter(torch.zeros(runs, outputs, inputs, kernel, kernel))

    def forward(self, x: Tensor) -> Tensor:
        return self._convolved(x, self.weight)

    def _convolved(self, x: Tensor, weight: Tensor) -> Tensor:
        # Without a bias, whose gradient the library sums in an order that depends on R and the threads.
        return self.form.convolve(x, weight, self.padding, self.stride)


class RunConv2d(RunConvolution):
    """The same with a bias [R, out]."""

    def __init__(self, runs: int, inputs: int, outputs: int, kernel: int, padding: int = 0) -> None:
        super().__init__(runs, inputs, outputs, kernel, padding=padding)
        self.bias = nn.Parameter(torch.zeros(runs, outputs))

    def forward(self, x: Tensor, biased: bool = True) -> Tensor:
        weighed = self._convolved(x, self.weight)
        return self.shift(weighed).output if biased else weighed

    def link(self, x: Tensor) -> Link:
        weight = self.weight  # the one of this pass, which weight noise replaces
        return Link(self(x), lambda dx: self._convolved(dx, weight), (weight,))

    def weigh(self, x: Tensor) -> Link:
        """The convolution without its bias, for `shift` to add; called as a module, whose hooks see it."""
        weight = self.weight
        return Link(self(x, biased=False), lambda dx: self._convolved(dx, weight), (weight,))

    def shift(self, x: Tensor) -> Link:
        """Adds the bias."""
        shifted: Tensor = AddToChannels.apply(x, self.bias)
        return Link(shifted, lambda dx: dx)


class RunGroupNorm(nn.Module):
    """R group normalisations of [B, R·C, H, W]; gain and bias [R, C].

    In as many groups as asked for, or as divide both that and C.

    References:
        Wu, He, Group normalization, 2018 (arXiv 1803.08494).
    """

    def __init__(self, runs: int, channels: int, groups: int) -> None:
        super().__init__()
        self.runs, self.groups = runs, math.gcd(channels, groups)
        self.gain = nn.Parameter(torch.ones(runs, channels))
        self.bias = nn.Parameter(torch.zeros(runs, channels))

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = NormalisedGroups.apply(x.to(self.gain.dtype), self.gain, self.bias, self.groups)
        return normed


class RunLinear(nn.Module):
    """R linear maps, [R, B, in] to [R, B, out]; weight [R, out, in], bias [R, out].

    Attributes:
        twice: whether it is differentiated by its weight twice (`run_by_run.linear`).
    """

    twice = False

    def __init__(self, runs: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(runs, outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(runs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return run_by_run.linear(x, self.weight, self.bias, self.twice)

    def link(self, x: Tensor) -> Link:
        weight = self.weight
        return Link(self(x), lambda dx: run_by_run.linear(dx, weight, twice=self.twice), (weight,))


def max_pool(x: Tensor) -> Link:
    """Maximum pooling over 2×2 of [B, C, H, W] whose choice among equals does not hang on rounding.

    Where an image is flat, all values of a window are mathematically equal. Which of them comes
    out ahead by a last bit depends on how the convolution was computed (packed or alone), and the
    Jacobian with respect to the inputs depends on which is chosen. In float64, where packed and
    alone are held equal, the choice is therefore made on float32 values; the first of equals wins.
    """
    if x.dtype != torch.float64:
        output, index = F.max_pool2d(x, 2, return_indices=True)
        return Link(output, lambda dx: _picked(dx, index))
    _, index = F.max_pool2d(x.float(), 2, return_indices=True)
    return Link(_picked(x, index), lambda dx: _picked(dx, index))


def _picked(x: Tensor, index: Tensor) -> Tensor:
    """What `index` [B, C, h, w], as max_pool2d gives it, picks of x [B, C, H, W]."""
    # Pixels before channels: a view where channels are last, and three times as fast to gather.
    pixels, chosen = (t.permute(0, 2, 3, 1).flatten(1, 2) for t in (x, index))
    images, channels, height, width = index.shape
    return pixels.gather(1, chosen).view(images, height, width, channels).permute(0, 3, 1, 2)


average_pool = linear(lambda x: F.avg_pool2d(x, 2))


def relu(x: Tensor) -> Link:
    y = F.relu(x)
    return Link(y, lambda dx: dx * (y > 0))


def tanh(x: Tensor) -> Link:
    y = torch.tanh(x)
    return Link(y, lambda dx: dx * (1 - y * y), (y,))


def scaled_tanh(x: Tensor) -> Link:
    """1.7159·tanh(2x/3), LeCun's squashing function (LeCun et al. 1998, appendix A)."""
    unit = torch.tanh(x * (2 / 3))
    return Link(1.7159 * unit, lambda dx: dx * (1.7159 * (2 / 3) * (1 - unit * unit)), (unit,))
