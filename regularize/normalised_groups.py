"""Group normalisation of several runs' images whose bits for a run do not depend on the others.

The library's kernels keep to that, for images with channels last and for the first derivative. For the second
it sums over columns, in an order that follows their number: there the derivative is written out, run by run.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

EPSILON = 1e-5  # as in torch


class NormalisedGroups(torch.autograd.Function):
    """x [B, R·C, H, W], gain and bias [R, C], each run in so many groups: `NormalisedGroups.apply(…)`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, bias: Tensor, groups: int) -> Tensor:
        images, channels, *sides = x.shape
        pixels = sides[0] * sides[1]
        shape = images, channels, pixels, groups * len(gain)
        x = _as_kernels_read(x)
        y, mean, scale = torch.native_group_norm(x, gain.flatten(), bias.flatten(), *shape, EPSILON)
        ctx.save_for_backward(x, gain, mean, scale)
        ctx.shape = shape
        return y

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, gain, mean, scale = ctx.saved_tensors
        if torch.is_grad_enabled():  # it is to be differentiated
            return *_derivative(slope, x, gain, ctx.shape[-1] // len(gain)), None
        found = torch.ops.aten.native_group_norm_backward(
            _as_kernels_read(slope), x, mean, scale, gain.flatten(), *ctx.shape, [True, True, True]
        )
        return found[0], found[1].view_as(gain), found[2].view_as(gain), None


def _as_kernels_read(images: Tensor) -> Tensor:
    """On GPUs by channels, then pixels; torch 2.9 refuses images that lie otherwise, or misreads them."""
    return images if images.device.type == "cpu" else images.contiguous()


def _derivative(slope: Tensor, x: Tensor, gain: Tensor, groups: int) -> tuple[Tensor, Tensor, Tensor]:
    """By x, gain and bias: with x̂ normalised and g = slope · gain, σ⁻¹(g − mean g − x̂ · mean g·x̂) by x."""
    images, _, *sides = x.shape
    of_runs = []
    for own, towards, gains in zip(_rows(x, gain), _rows(slope, gain), gain, strict=True):
        grouped = own.reshape(images, groups, -1)
        centred = grouped - grouped.mean(-1, keepdim=True)
        scale = (centred.square().mean(-1, keepdim=True) + EPSILON).rsqrt()
        normed = centred * scale
        wanted = (towards * gains.view(1, -1, 1)).reshape_as(normed)
        along = (wanted * normed).mean(-1, keepdim=True)
        by_x = scale * (wanted - wanted.mean(-1, keepdim=True) - normed * along)
        by_gain = (towards * normed.view_as(own)).sum((0, 2))
        of_runs.append((by_x.view(images, -1, *sides), by_gain, towards.sum((0, 2))))
    images_slope, gain_slopes, bias_slopes = zip(*of_runs, strict=True)
    whole = torch.cat(images_slope, 1).contiguous(memory_format=torch.channels_last)
    return whole, torch.stack(gain_slopes), torch.stack(bias_slopes)


def _rows(x: Tensor, gain: Tensor) -> list[Tensor]:
    """Of each run the pixels [B, C, H·W], one channel after the other."""
    return [own.flatten(2).contiguous() for own in x.chunk(len(gain), dim=1)]
