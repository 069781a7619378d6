"""The test that a library has to pass once, when it was built, before it is put in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import grad

from regularize.fused.build import BuildError, unloadable
from regularize.fused.kernels import POOLED_SIDE, Activation, Kernels
from regularize.fused.reach import IMAGE_CHANNELS, USUAL, Filters
from regularize.layers import scaled_tanh


def stages_of(filters: Filters) -> list[tuple[int, int, int]]:
    """The channels and the side of a stage's inputs, and the channels of its outputs."""
    first = [(channels, side, filters[0]) for channels in IMAGE_CHANNELS for side in (28, 32)]
    return [*first, (filters[0], POOLED_SIDE, filters[1])]


def check(path: Path, filters: Filters = USUAL) -> None:
    """Compare every stage in a library with torch, on small whole numbers.

    Their sums are exact in any order, so that equal ones abound and all bits are known; but for tanh.

    Raises:
        BuildError: it cannot be loaded, or computes something else.
    """
    try:
        kernels = Kernels(path, "on trial", filters)
    except (OSError, AttributeError) as error:
        raise unloadable(path, error) from None
    for channels, side, outputs in stages_of(filters):
        found = _differences(kernels, channels, side, outputs)
        for differs in (*found, *_average_differences(kernels, channels, side, outputs)):
            raise BuildError(f"its {differs} with {channels} channels is not torch's")
    for inputs, outputs in ((400, 120), (84, 10), (7, 100)):
        for differs in _linear_differences(kernels, inputs, outputs):
            raise BuildError(f"its {differs} of a linear layer is not torch's")


def stage(x: Tensor, weight: Tensor, bias: Tensor, activation: Activation) -> Tensor:
    """What the kernels compute, by torch: x [R, B, side, side, in], the output as theirs.

    IDENTITY and SCALED_TANH stand before an average pool, the others behind a maximum pool.
    """
    padding = 2 if x.shape[2] == 28 else 0
    images = x.movedim(-1, 2)
    sums = [F.conv2d(*each, padding=padding) for each in zip(images, weight, strict=True)]
    if activation in (Activation.RELU, Activation.TANH):
        pooled = torch.stack([F.max_pool2d(each, 2) for each in sums]) + bias[:, None, :, None, None]
        y = torch.relu(pooled) if activation is Activation.RELU else torch.tanh(pooled)
    else:
        z = torch.stack(sums) + bias[:, None, :, None, None]
        units = scaled_tanh(z).output if activation is Activation.SCALED_TANH else z
        y = torch.stack([F.avg_pool2d(each, 2) for each in units])
    flat: Tensor = y.flatten(2) if x.shape[2] == POOLED_SIDE else y.movedim(2, -1)
    return flat


def derivatives(y: Tensor, x: Tensor, weight: Tensor, bias: Tensor, gradient: Tensor) -> tuple[Tensor, ...]:
    """∂/∂x, ∂/∂weight and ∂/∂bias of a graph, from ∂/∂y; then y's tangent for the tangent ∂/∂x of x."""
    found = grad(y, (x, weight, bias), gradient, create_graph=True)
    # The tangent is linear in ∂/∂y as is ∂/∂x, and its transpose.
    v = torch.zeros_like(y, requires_grad=True)
    (row,) = grad(y, x, v, create_graph=True)
    (tangent,) = grad(row, v, found[0].detach())
    return (*(each.detach() for each in found), tangent)


def _case(
    channels: int, side: int, outputs: int, activation: Activation
) -> tuple[Tensor, Tensor, Tensor, Tensor, tuple[Tensor, ...]]:
    """Images, weights, biases and a gradient of whole numbers; the output and its derivatives by torch."""
    whole = _whole_numbers(channels)
    x, weight, bias = whole(2, 3, side, side, channels), whole(2, outputs, channels, 5, 5), whole(2, outputs)
    leaves = [tensor.clone().requires_grad_() for tensor in (x, weight, bias)]
    y = stage(leaves[0], leaves[1], leaves[2], activation)
    gradient = whole(*y.shape)
    return x, weight, bias, gradient, (y.detach(), *derivatives(y, leaves[0], leaves[1], leaves[2], gradient))


def _differences(kernels: Kernels, channels: int, side: int, outputs: int) -> list[str]:
    x, weight, bias, gradient, expected = _case(channels, side, outputs, Activation.RELU)
    at = kernels.forward(x, weight, bias, Activation.RELU)
    back = kernels.backward(at, weight, gradient, inputs=True, weights=True)
    tangent = kernels.tangent(at, expected[1], weight, Activation.RELU)
    differ = _differing((at.y, *back, tangent), expected)

    x[0, 0, side // 2, side // 2] = torch.nan
    for scale, activation in ((1.0, Activation.RELU), (0.01, Activation.TANH)):
        ours = kernels.forward(x * scale, weight, bias * scale, activation).y
        torchs = stage(x * scale, weight, bias * scale, activation)
        if not torch.allclose(ours, torchs, rtol=1e-5, atol=1e-6, equal_nan=True):
            differ.append(f"{activation.name.lower()} or its NaN")
    return differ


def _average_differences(kernels: Kernels, channels: int, side: int, outputs: int) -> list[str]:
    x, weight, bias, gradient, expected = _case(channels, side, outputs, Activation.IDENTITY)
    at = kernels.average_forward(x, weight, bias, Activation.IDENTITY)
    back = kernels.average_backward(at, weight, gradient, inputs=True, weights=True)
    tangent, _ = kernels.average_tangent(at, expected[1], weight)
    differ = _differing((at.y, *back, tangent), expected)

    x[0, 0, side // 2, side // 2] = torch.nan
    ours = kernels.average_forward(x * 0.01, weight, bias * 0.01, Activation.SCALED_TANH).y
    torchs = stage(x * 0.01, weight, bias * 0.01, Activation.SCALED_TANH)
    if not torch.allclose(ours, torchs, rtol=1e-5, atol=1e-6, equal_nan=True):
        differ.append("scaled tanh or its NaN")
    return [f"{each} behind an average pool" for each in differ]


def _linear_differences(kernels: Kernels, inputs: int, outputs: int) -> list[str]:
    whole = _whole_numbers(inputs)
    x, weight, bias = whole(2, 9, inputs), whole(2, outputs, inputs), whole(2, outputs)
    gradient = whole(2, 9, outputs)
    y = torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))
    back = gradient @ weight, gradient.transpose(1, 2) @ x, gradient.sum(1)
    found = kernels.linear_backward(x, weight, gradient, inputs=True, weights=True)
    return _differing((kernels.linear(x, weight, bias), *found), (y, *back))


def _whole_numbers(seed: int) -> Callable[..., Tensor]:
    source = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randint(-2, 3, shape, generator=source).float()


def _differing(found: Sequence[Tensor | None], expected: Sequence[Tensor]) -> list[str]:
    """The names of those that are not equal."""
    names = ("output", "gradient by inputs", "gradient by weights", "gradient by biases", "tangent")
    pairs = zip(names, found, expected, strict=False)
    return [name for name, a, b in pairs if a is None or not torch.equal(a, b)]
