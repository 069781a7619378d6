"""Linear layers by the kernels, in the graph: what `RunLinear.link` does, twice as fast."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from regularize.fused.kernels import Kernels
from regularize.fused.wanted import WANTED
from regularize.layers import Layer, Link, RunLinear


def fused_linear(kernels: Kernels, layer: RunLinear) -> Layer:
    """[R, B, in] to [R, B, out], of float32."""

    def passed(x: Tensor) -> Link:
        weight = layer.weight  # the one of this pass, which weight noise replaces
        return Link(
            _map(x, weight, layer.bias, kernels), lambda dx: _map(dx, weight, None, kernels), (weight,)
        )

    return passed


def _map(x: Tensor, weight: Tensor, bias: Tensor | None, kernels: Kernels) -> Tensor:
    y: Tensor = _Linear.apply(x, weight, bias, kernels)
    return y


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, kernels: Kernels) -> Tensor:
        x, weight = x.contiguous(), weight.contiguous()
        ctx.save_for_backward(x, weight)
        ctx.kernels = kernels
        return kernels.linear(x, weight, None if bias is None else bias.contiguous())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        inputs, weights, biases, _ = ctx.needs_input_grad
        wanted = (weights or biases) and WANTED["weights"]
        dx, w, b = ctx.kernels.linear_backward(
            x, weight, gradient.contiguous(), inputs=inputs, weights=wanted
        )
        return dx, w, b if biases else None, None
