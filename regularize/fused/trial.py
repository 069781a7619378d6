"""The test that a library has to pass once, when it was built, before it is put in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import grad

from regularize.fused.build import BuildError
from regularize.fused.kernels import POOLED_SIDE, Activation, Kernels
from regularize.fused.reach import IMAGE_CHANNELS, USUAL, Filters


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
        raise BuildError(f"the library cannot be loaded ({error})") from None
    for channels, side, outputs in stages_of(filters):
        for differs in _differences(kernels, channels, side, outputs):
            raise BuildError(f"its {differs} with {channels} channels is not torch's")
    for inputs, outputs in ((400, 120), (84, 10), (7, 100)):
        for differs in _linear_differences(kernels, inputs, outputs):
            raise BuildError(f"its {differs} of a linear layer is not torch's")


def stage(x: Tensor, weight: Tensor, bias: Tensor, activation: Activation) -> Tensor:
    """What the kernels compute, by torch: x [R, B, side, side, in], the output as theirs."""
    padding = 2 if x.shape[2] == 28 else 0
    images = x.movedim(-1, 2)
    sums = [F.conv2d(*each, padding=padding) for each in zip(images, weight, strict=True)]
    pooled = torch.stack([F.max_pool2d(each, 2) for each in sums]) + bias[:, None, :, None, None]
    y = torch.relu(pooled) if activation is Activation.RELU else torch.tanh(pooled)
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


def _differences(kernels: Kernels, channels: int, side: int, outputs: int) -> list[str]:
    whole = _whole_numbers(channels)
    x, weight, bias = whole(2, 3, side, side, channels), whole(2, outputs, channels, 5, 5), whole(2, outputs)
    leaves = [tensor.clone().requires_grad_() for tensor in (x, weight, bias)]
    y = stage(leaves[0], leaves[1], leaves[2], Activation.RELU)
    gradient = whole(*y.shape)
    expected = (y.detach(), *derivatives(y, leaves[0], leaves[1], leaves[2], gradient))

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
