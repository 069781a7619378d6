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
    """What a stage does to its sums, by its number in `pointwise.h`."""

    IDENTITY = 0
    RELU = 1
    TANH = 2
    SCALED_TANH = 3
    """1.7159·tanh(2z/3), before an average pool; the others end a stage behind a maximum pool."""


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


@dataclass(frozen=True, kw_only=True)
class Averaged:
    """A stage with an average pool where it was passed.

    Attributes:
        x, y: as of `Passed`.
        units: [R, B, n], the tanh of all four positions of each pooled pixel, as `average.cpp` lays them out.
    """

    x: Tensor
    y: Tensor
    units: Tensor
    activation: Activation


_POINTERS = {
    "forward": 5, "tangent": 5, "backward": 8,
    "average_forward": 5, "average_tangent": 5, "average_bent": 3, "average_backward": 8,
}  # fmt: skip


class Kernels:
    """A compiled library, for LeNets of so many filters.

    All tensors are float32, on the CPU and contiguous; weights [R, out, in, 5, 5].
    """

    def __init__(self, path: Path, name: str, filters: Filters = USUAL) -> None:
        self.name, self.filters = name, filters
        library = ctypes.CDLL(str(path))
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        sizes = [number, number, ctypes.c_int, ctypes.c_int]
        self._points: dict[str, int] = {}
        self._calls = {}
        for stage in (*(f"first_{channels}" for channels in IMAGE_CHANNELS), "second"):
            self._points[stage] = getattr(library, f"points_{stage}")()
            for call, pointers in _POINTERS.items():
                function = getattr(library, f"{call}_{stage}")
                function.argtypes, function.restype = [*[pointer] * pointers, *sizes], None
                self._calls[call, stage] = function
        self._linear, self._linear_backward = library.linear_forward, library.linear_backward
        for function, pointers in ((self._linear, 4), (self._linear_backward, 6)):
            function.argtypes, function.restype = [*[pointer] * pointers, *[number] * 4], None

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor, activation: Activation) -> Passed:
        y = self._pooled(x)
        choice = torch.empty(*x.shape[:2], self._points[_stage(x)], dtype=torch.uint8)
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

    def average_forward(self, x: Tensor, weight: Tensor, bias: Tensor, activation: Activation) -> Averaged:
        y = self._pooled(x)
        units = torch.empty(*x.shape[:2], 4 * self._points[_stage(x)])
        self._call("average_forward", x, (x, weight, bias, y, units), activation)
        return Averaged(x=x, y=y, units=units, activation=activation)

    def average_tangent(self, at: Averaged, tangent: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """A tangent of x pushed to where y is; and its derivatives by the units, each by its own."""
        pushed, bends = torch.empty_like(at.y), torch.empty_like(at.units)
        self._call("average_tangent", at.x, (tangent, weight, at.units, pushed, bends), at.activation)
        return pushed, bends

    def average_bent(self, at: Averaged, bends: Tensor, gradient: Tensor) -> Tensor:
        """The gradient by the units from that by a tangent that has these `bends`."""
        found = torch.empty_like(bends)
        self._call("average_bent", at.x, (gradient, bends, found), at.activation)
        return found

    def average_backward(
        self,
        at: Averaged,
        weight: Tensor,
        gradient: Tensor,
        by_units: Tensor | None = None,
        *,
        inputs: bool,
        weights: bool,
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """As `backward`; `by_units` is what other gradient there is, by the units."""
        x = torch.empty_like(at.x) if inputs else None
        w = torch.empty_like(weight) if weights else None
        b = torch.empty(weight.shape[:2]) if weights else None
        arguments = (at.x, weight, at.units, gradient, by_units, w, b, x)
        self._call("average_backward", at.x, arguments, at.activation)
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

    def _pooled(self, x: Tensor) -> Tensor:
        """Room for what a stage makes of x."""
        first, second = self.filters
        side = x.shape[2]
        shape = (second * 25,) if side == POOLED_SIDE else (POOLED_SIDE, POOLED_SIDE, first)
        return torch.empty(*x.shape[:2], *shape)

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
