"""The compiled kernels as functions of tensors."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import torch
from torch import Tensor

from regularize.fused.reach import IMAGE_CHANNELS, USUAL, Filters

POOLED_SIDE = 14
"""Pixels a side of what a first stage gives; images have more."""


class Activation(IntEnum):
    """What ends a stage, by its number in `stages.cpp`."""

    IDENTITY = 0
    RELU = 1
    TANH = 2


@dataclass(frozen=True, kw_only=True)
class Passed:
    """A stage where it was passed.

    Attributes:
        x: [R, B, side, side, in].
        y: the output, [R, B, 14, 14, out] of a first stage and [R, B, out·25] of the second.
        choice: which of the four sums of each pooled pixel was the largest.
    """

    x: Tensor
    y: Tensor
    choice: Tensor
    activation: Activation


class Kernels:
    """A compiled library, for LeNets of so many filters.

    All tensors are float32, on the CPU and contiguous; weights [R, out, in, 5, 5].
    """

    def __init__(self, path: Path, name: str, filters: Filters = USUAL) -> None:
        self.name, self.filters = name, filters
        library = ctypes.CDLL(str(path))
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        sizes = [number, number, ctypes.c_int, ctypes.c_int]
        self._choices: dict[str, int] = {}
        self._calls = {}
        for stage in (*(f"first_{channels}" for channels in IMAGE_CHANNELS), "second"):
            self._choices[stage] = getattr(library, f"choices_{stage}")()
            for call, pointers in (("forward", 5), ("tangent", 5), ("backward", 8)):
                function = getattr(library, f"{call}_{stage}")
                function.argtypes, function.restype = [*[pointer] * pointers, *sizes], None
                self._calls[call, stage] = function
        self._linear, self._linear_backward = library.linear_forward, library.linear_backward
        for function, pointers in ((self._linear, 4), (self._linear_backward, 6)):
            function.argtypes, function.restype = [*[pointer] * pointers, *[number] * 4], None

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor, activation: Activation) -> Passed:
        runs, images, side, *_ = x.shape
        first, second = self.filters
        shape = (second * 25,) if side == POOLED_SIDE else (POOLED_SIDE, POOLED_SIDE, first)
        y = torch.empty(runs, images, *shape)
        choice = torch.empty(runs, images, self._choices[_stage(x)], dtype=torch.uint8)
        self._call("forward", x, (x, weight, bias, y, choice), activation)
        return Passed(x=x, y=y, choice=choice, activation=activation)

    def tangent(self, at: Passed, tangent: Tensor, weight: Tensor, activation: Activation) -> Tensor:
        """A tangent of x pushed to where y is: its convolution where the largest was, times the slope."""
        pushed = torch.empty_like(at.y)
        self._call("tangent", at.x, (tangent, weight, at.y, at.choice, pushed), activation)
        return pushed

    def backward(
        self, at: Passed, weight: Tensor, gradient: Tensor, *, inputs: bool, weights: bool
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """∂/∂x, if the inputs' is wanted, and ∂/∂weight and ∂/∂bias, if the weights' are, from ∂/∂y."""
        x = torch.empty_like(at.x) if inputs else None
        w = torch.empty_like(weight) if weights else None
        b = torch.empty(weight.shape[:2]) if weights else None
        arguments = (at.x, weight, at.y, gradient, at.choice, w, b, x)
        self._call("backward", at.x, arguments, at.activation)
        return x, w, b

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """x [R, B, in], weight [R, out, in] and bias [R, out] to [R, B, out]."""
        y = torch.empty(*x.shape[:2], weight.shape[1])
        self._linear(*_addresses(x, weight, bias, y), *x.shape, weight.shape[1])
        return y

    def linear_backward(
        self, x: Tensor, weight: Tensor, gradient: Tensor, *, inputs: bool, weights: bool
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """As `backward`, of `linear`."""
        dx = torch.empty_like(x) if inputs else None
        w = torch.empty_like(weight) if weights else None
        b = torch.empty(weight.shape[:2]) if weights else None
        self._linear_backward(*_addresses(x, weight, gradient, w, b, dx), *x.shape, weight.shape[1])
        return dx, w, b

    def _call(self, name: str, x: Tensor, arguments: Sequence[Tensor | None], activation: Activation) -> None:
        self._calls[name, _stage(x)](*_addresses(*arguments), *x.shape[:3], activation)


def _stage(x: Tensor) -> str:
    """The name of the stage whose inputs these are."""
    return "second" if x.shape[2] == POOLED_SIDE else f"first_{x.shape[-1]}"


def _addresses(*tensors: Tensor | None) -> list[int | None]:
    found: list[int | None] = []
    for tensor in tensors:
        assert tensor is None or tensor.is_contiguous()
        found.append(None if tensor is None else tensor.data_ptr())
    return found
