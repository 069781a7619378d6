"""Steps whose result for a run is the same bits whatever runs are beside it.

The library keeps to that on its own in grouped convolutions, batched products and element-wise steps of
two runs and more. It does not where a sum's order follows the number of columns that are summed at once,
and where a matrix's kernel follows the address that the matrix lies at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

ANY_NUMBER = torch.backends.cpu.get_cpu_capability() == "AVX512"
"""Whether the library's grouped convolutions have the same bits for every number of runs from two on.

Without AVX-512 the weight gradients of three runs are those of no other number (oneDNN 3)."""
_SIDE = 4  # of matrices that fill whole cache lines, in numbers: 4·4 of float32 are 64 bytes


def total(tensors: Iterable[Tensor]) -> Tensor:
    """The sum of tensors of one shape, entry by entry in their order."""
    return reduce(torch.add, tensors)


def svd(matrices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The thin singular value decomposition of each matrix [R, m, n]: U, S, Vᵀ."""
    left, values, right = zip(
        *(torch.linalg.svd(each, full_matrices=False) for each in matrices), strict=True
    )
    return torch.stack(left), torch.stack(values), torch.stack(right)


def orthogonal(weights: Mapping[str, Tensor]) -> None:
    """Replace each matrix of [R, m, n], in place, by its orthogonal factor: all singular values are 1."""
    for weight in weights.values():
        left, _, right = svd(weight)
        weight.copy_(product(left, right))


def singular_values(matrices: Tensor) -> Tensor:
    """Those of each matrix [R, m, n], descending: [R, min(m, n)]."""
    return torch.stack([torch.linalg.svdvals(each) for each in matrices])


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, twice: bool = False) -> Tensor:
    """R linear maps of x [R, B, in] by weight [R, out, in] and bias [R, out]: [R, B, out].

    `twice` is whether it is differentiated by the weight, and what comes of that once more.
    """
    outputs, inputs = weight.shape[1:]
    # With outputs filled up to even numbers alone, the first derivatives have the same bits at any place in a
    # pack, and those of the inputs' derivatives by the weights; those of the weights' have not.
    side = _SIDE if twice else _SIDE // 2
    filled = x.device.type == "cpu" and (inputs % _SIDE > 0 or outputs % side > 0)
    if filled:  # so that rows begin where they do in a pack of any other size, as do their gradients
        more = -outputs % _SIDE
        x = F.pad(x, (0, -inputs % _SIDE))
        weight = F.pad(weight, (0, -inputs % _SIDE, 0, more))
        bias = None if bias is None else F.pad(bias, (0, more))
    columns = weight.transpose(1, 2)
    found = torch.bmm(x, columns) if bias is None else torch.baddbmm(bias.unsqueeze(1), x, columns)
    return found[..., :outputs].contiguous() if filled else found


def product(left: Tensor, right: Tensor) -> Tensor:
    """Of the matrices [R, m, k] and [R, k, n]: [R, m, n]."""
    return linear(left, right.transpose(1, 2))


def gram(rows: Tensor) -> Tensor:
    """The products of all rows of each matrix [R, n, m] with one another: [R, n, n]."""
    count, length = rows.shape[1:]
    # With zeros up to whole cache lines, so that every run's matrix begins at one, as do its gradients.
    filled = F.pad(rows, (0, -length % _SIDE, 0, -count % _SIDE))
    return torch.bmm(filled, filled.transpose(1, 2))[:, :count, :count]


def convolution(x: Tensor, weight: Tensor, padding: int, stride: int = 1) -> Tensor:
    """R convolutions of [B, R·in, H, W] by weights [R, out, in, k, k], channels last: [B, R·out, H', W']."""
    runs = len(weight)
    if ANY_NUMBER or x.dtype != torch.float32 or x.device.type != "cpu" or runs < 3:
        return _grouped(x, weight, padding, stride)
    # Two at a time, the last one with itself where their number is odd.
    images, weights = x.chunk(runs, dim=1), weight.unbind()
    places = [(first, min(first + 1, runs - 1)) for first in range(0, runs, 2)]
    found = [
        _grouped(
            _last(torch.cat([images[a], images[b]], 1)),
            torch.stack([weights[a], weights[b]]),
            padding,
            stride,
        )
        for a, b in places
    ]
    if runs % 2:
        found[-1] = found[-1].chunk(2, dim=1)[0]
    return _last(torch.cat(found, 1))


def convolution_of_each(x: Tensor, weight: Tensor, padding: int, stride: int = 1) -> Tensor:
    """The same, each run's as if it were alone, there and back: slower, second derivatives alike."""
    images, weights = x.chunk(len(weight), dim=1), weight.chunk(len(weight))
    alone = [
        Laid.apply(_grouped(Laid.apply(image), Laid.apply(each), padding, stride))
        for image, each in zip(images, weights, strict=True)
    ]
    return _last(torch.cat(alone, 1))


class Laid(torch.autograd.Function):
    """What it is given and, on the way back, its gradient, as tensors of their own."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return _last(x).clone() if x.ndim == 4 else x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        return Laid.apply(slope)  # type: ignore[no-any-return]


def _grouped(x: Tensor, weight: Tensor, padding: int, stride: int) -> Tensor:
    return F.conv2d(x, _last(weight.flatten(0, 1)), stride=stride, padding=padding, groups=len(weight))


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


class AddToChannels(torch.autograd.Function):
    """x [B, R·C, H, W] plus a number for each channel, [R, C]; `AddToChannels.apply(x, numbers)`."""

    generate_vmap_rule = True  # so that torch.func goes through it

    @staticmethod
    def forward(x: Tensor, numbers: Tensor) -> Tensor:
        return x + numbers.view(-1, 1, 1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], _output: Tensor) -> None:
        ctx.runs = len(inputs[1])

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor]:
        # As one sum over all channels the order would hang on how many there are.
        return slope, torch.stack([of_run.sum((0, 2, 3)) for of_run in slope.chunk(ctx.runs, dim=1)])
