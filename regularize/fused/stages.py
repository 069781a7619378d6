"""The fused stages in the graph: as layers of a `Chain`, with the derivatives that they hand out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from regularize.fused.kernels import POOLED_SIDE, Activation, Kernels, Passed
from regularize.fused.wanted import WANTED
from regularize.layers import Layer, Link, RunConv2d


def fused_stage(kernels: Kernels, convolution: RunConv2d, activation: Activation) -> Layer:
    """Convolution, maximum pool, bias and activation in one.

    Takes images [R, B, C, side, side], or what another such layer gave: [R, B, 14, 14, C]. Gives that, or
    [R, B, C·25], the channels of 5×5 in a row.
    """

    def layer(x: Tensor) -> Link:
        weight = convolution.weight  # the one of this pass, which weight noise replaces
        y: Tensor
        y, at = _Stage.apply(channels_last(x), weight, convolution.bias, kernels, activation)
        if activation is not Activation.TANH:
            return Link(y, lambda dx: _pushed(dx, weight, at, kernels, activation), (weight,))
        # Curved: torch is to differentiate the slope by y, and must not come to the weights by way of y.
        beside = weight.view_as(weight)

        def push(dx: Tensor) -> Tensor:
            picked = _pushed(dx, beside, at, kernels, Activation.IDENTITY)
            return picked * (1 - y * y)

        return Link(y, push, (beside, y))

    return layer


def channels_last(x: Tensor) -> Tensor:
    return (x if x.shape[2] == POOLED_SIDE else x.movedim(2, -1)).contiguous()


def _pushed(dx: Tensor, weight: Tensor, at: Passed, kernels: Kernels, activation: Activation) -> Tensor:
    found: Tensor = _Tangent.apply(channels_last(dx), weight, at, kernels, activation)
    return found


class _Stage(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, kernels: Kernels, activation: Activation
    ) -> tuple[Tensor, Passed]:
        at = kernels.forward(x, weight.contiguous(), bias.contiguous(), activation)
        ctx.at, ctx.kernels = at, kernels
        ctx.save_for_backward(weight)
        return at.y.detach(), at  # another tensor than `at` holds, which else would keep itself alive

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: None) -> tuple[Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        x, w, b, *_ = ctx.needs_input_grad
        inputs = x and (WANTED["images"] or ctx.at.x.shape[2] == POOLED_SIDE)
        weights = (w or b) and WANTED["weights"]
        found = ctx.kernels.backward(
            ctx.at, weight.contiguous(), gradient.contiguous(), inputs=inputs, weights=weights
        )
        return (*found, None, None)


class _Tangent(torch.autograd.Function):
    """A tangent of the inputs where the maximum was, times the slope; differentiable by the weights."""

    @staticmethod
    def forward(
        ctx: Any, dx: Tensor, weight: Tensor, at: Passed, kernels: Kernels, activation: Activation
    ) -> Tensor:
        ctx.at, ctx.kernels = replace(at, x=dx, activation=activation), kernels
        ctx.save_for_backward(weight)
        return kernels.tangent(at, dx, weight.contiguous(), activation)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        _, found, _ = ctx.kernels.backward(
            ctx.at, weight.contiguous(), gradient.contiguous(), inputs=False, weights=True
        )
        return None, found, None, None, None
