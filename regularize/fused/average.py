"""Fused stages with an average pool in the graph: as layers of a `Chain`, with their derivatives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from regularize.fused.kernels import POOLED_SIDE, Activation, Averaged, Kernels
from regularize.fused.stages import channels_last
from regularize.fused.wanted import WANTED
from regularize.layers import Layer, Link, RunConv2d


def fused_average_stage(kernels: Kernels, convolution: RunConv2d) -> Layer:
    """Convolution, bias, LeCun's tanh and average pool in one; shapes as of `fused_stage`."""

    def layer(x: Tensor) -> Link:
        weight = convolution.weight  # the one of this pass, which weight noise replaces
        y: Tensor
        units: Tensor
        y, units, at = _Stage.apply(channels_last(x), weight, convolution.bias, kernels)
        # The slope changes with the units, and by way of them torch must not come to the weights.
        beside = weight.view_as(weight)

        def push(dx: Tensor) -> Tensor:
            pushed: Tensor = _Tangent.apply(channels_last(dx), beside, units, at, kernels)
            return pushed

        return Link(y, push, (beside, units))

    return layer


class _Stage(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, kernels: Kernels
    ) -> tuple[Tensor, Tensor, Averaged]:
        at = kernels.average_forward(x, weight.contiguous(), bias.contiguous(), Activation.SCALED_TANH)
        ctx.at, ctx.kernels = at, kernels
        ctx.save_for_backward(weight)
        ctx.set_materialize_grads(False)
        # Other tensors than `at` holds, which else would keep itself alive.
        return at.y.detach(), at.units.detach(), at

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, gradient: Tensor | None, by_units: Tensor | None, _: None
    ) -> tuple[Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        x, w, b, _ = ctx.needs_input_grad
        inputs = x and (WANTED["images"] or ctx.at.x.shape[2] == POOLED_SIDE)
        weights = (w or b) and WANTED["weights"]
        found = ctx.kernels.average_backward(
            ctx.at,
            weight.contiguous(),
            torch.zeros_like(ctx.at.y) if gradient is None else gradient.contiguous(),
            None if by_units is None else by_units.contiguous(),
            inputs=inputs,
            weights=weights,
        )
        return (*found, None)


class _Tangent(torch.autograd.Function):
    """A tangent of the inputs times the slopes, averaged; differentiable by the weights and the units."""

    @staticmethod
    def forward(
        ctx: Any, dx: Tensor, weight: Tensor, _units: Tensor, at: Averaged, kernels: Kernels
    ) -> Tensor:
        pushed, bends = kernels.average_tangent(at, dx, weight.contiguous())
        ctx.at, ctx.kernels = replace(at, x=dx), kernels
        ctx.save_for_backward(weight, bends)
        return pushed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weight, bends = ctx.saved_tensors
        gradient = gradient.contiguous()
        _, found, _ = ctx.kernels.average_backward(
            ctx.at, weight.contiguous(), gradient, inputs=False, weights=True
        )
        return None, found, ctx.kernels.average_bent(ctx.at, bends, gradient), None, None
