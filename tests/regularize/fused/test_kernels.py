"""What the kernels compute, against torch in float32 and float64, for all instructions there are here."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from regularize.fused.kernels import POOLED_SIDE, Activation, Kernels
from regularize.fused.reach import USUAL
from regularize.fused.trial import derivatives, stage, stages_of
from tests.regularize.fused.conftest import KINDS, WIDTHS

STAGES = [(filters, *each) for filters in WIDTHS.values() for each in stages_of(filters)]
of_every_stage = pytest.mark.parametrize(("filters", "channels", "side", "outputs"), STAGES)
of_usual_stages = pytest.mark.parametrize(("channels", "side", "outputs"), stages_of(USUAL))
ACTIVATIONS = [Activation.RELU, Activation.TANH, Activation.SCALED_TANH]
NAMES = ("output", "by inputs", "by weights", "by biases", "tangent")


def example(
    channels: int, side: int, outputs: int, *, runs: int = 3, images: int = 5
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Images, weights and biases of usual sizes; ∂/∂y, and a tangent of the images."""
    source = torch.Generator().manual_seed(side + channels)
    x = torch.randn(runs, images, side, side, channels, generator=source)
    weight = torch.randn(runs, outputs, channels, 5, 5, generator=source) / math.sqrt(25 * channels)
    bias = torch.randn(runs, outputs, generator=source) / 5
    gradient = torch.randn(runs, images, *given(side, outputs), generator=source)
    return x, weight, bias, gradient, torch.randn(x.shape, generator=source)


def given(side: int, outputs: int) -> tuple[int, ...]:
    """The shape of what a stage makes of an image."""
    return (outputs * 25,) if side == POOLED_SIDE else (14, 14, outputs)


def ours(
    kernels: Kernels,
    activation: Activation,
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    gradient: Tensor,
    t: Tensor,
) -> list[Tensor]:
    y, back = passed(kernels, activation, x, weight, bias, gradient)
    if activation is Activation.SCALED_TANH:
        at = kernels.average_forward(x, weight, bias, activation)
        return [y, *back, kernels.average_tangent(at, t, weight)[0]]
    return [y, *back, kernels.tangent(kernels.forward(x, weight, bias, activation), t, weight, activation)]


def passed(
    kernels: Kernels, activation: Activation, x: Tensor, weight: Tensor, bias: Tensor, gradient: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """A stage's output, and its gradients by inputs, weights and biases."""
    if activation is Activation.SCALED_TANH:
        averaged = kernels.average_forward(x, weight, bias, activation)
        y, back = averaged.y, kernels.average_backward(averaged, weight, gradient, inputs=True, weights=True)
    else:
        at = kernels.forward(x, weight, bias, activation)
        y, back = at.y, kernels.backward(at, weight, gradient, inputs=True, weights=True)
    return y, [each for each in back if each is not None]


def torchs(
    activation: Activation, x: Tensor, weight: Tensor, bias: Tensor, gradient: Tensor, t: Tensor
) -> list[Tensor]:
    x, weight, bias = (tensor.clone().requires_grad_() for tensor in (x, weight, bias))
    y = stage(x, weight, bias, activation)
    *found, _ = derivatives(y, x, weight, bias, gradient)
    v = torch.zeros_like(y, requires_grad=True)
    (row,) = torch.autograd.grad(y, x, v, create_graph=True)
    (tangent,) = torch.autograd.grad(row, v, t)
    return [y.detach(), *found, tangent]


def distance(found: Tensor, expected: Tensor) -> float:
    """Relative to the largest."""
    return ((found - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@of_every_stage
def test_kernels_are_as_near_to_float64_as_torch(
    kind, activation, filters, channels, side, outputs, built_for
):
    data = example(channels, side, outputs)
    exact = torchs(activation, *(tensor.double() for tensor in data))
    single = torchs(activation, *data)
    for name, a, b, c in zip(
        NAMES, ours(built_for(filters)[kind], activation, *data), single, exact, strict=True
    ):
        assert a.shape == b.shape, name
        # Torch's own gradients by weights are up to 3e-6 from float64 where averages are taken.
        assert distance(a, b) < distance(b, c) + (1e-6 if filters == USUAL else 2e-6), name
        assert distance(a, c) < max(2 * distance(b, c), 1e-6), name


@pytest.mark.parametrize("activation", ACTIVATIONS)
@of_every_stage
def test_all_kinds_give_the_same_bits(activation, filters, channels, side, outputs, built_for):
    data = example(channels, side, outputs)
    one, *others = (ours(kernels, activation, *data) for kernels in built_for(filters).values())
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", [Activation.TANH, Activation.SCALED_TANH])
@of_every_stage
def test_a_run_has_the_same_bits_in_any_pack(kind, activation, filters, channels, side, outputs, built_for):
    kernels = built_for(filters)[kind]
    data = example(channels, side, outputs, runs=32, images=3)
    packed = ours(kernels, activation, *data)
    for first, last in ((0, 1), (31, 32), (5, 7), (2, 5), (8, 16)):
        part = ours(kernels, activation, *(tensor[first:last].clone() for tensor in data))
        assert all(torch.equal(a[first:last], b) for a, b in zip(packed, part, strict=True)), (first, last)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_has_the_same_output_in_any_batch(kind, built):
    x, weight, bias, *_ = example(1, 28, 6, images=9)
    whole = built[kind].forward(x, weight, bias, Activation.RELU).y
    for count in (1, 4):
        part = built[kind].forward(x[:, :count].contiguous(), weight, bias, Activation.RELU).y
        assert torch.equal(whole[:, :count], part)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@of_usual_stages
def test_batches_of_one_image_and_of_none(kind, activation, channels, side, outputs, built):
    one = example(channels, side, outputs, images=1)
    for a, b in zip(ours(built[kind], activation, *one), torchs(activation, *one), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
    none = example(channels, side, outputs, images=0)
    y, by_inputs, by_weights, by_biases, tangent = ours(built[kind], activation, *none)
    assert y.shape == tangent.shape == (3, 0, *given(side, outputs))
    assert by_inputs.shape == none[0].shape
    assert not by_weights.any()
    assert not by_biases.any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("images", [0, 1])
@pytest.mark.parametrize(("inputs", "outputs"), [(400, 120), (84, 10), (1, 17)])
def test_linear_layers_of_one_example_and_of_none(kind, images, inputs, outputs, built):
    source = torch.Generator().manual_seed(outputs)
    x, gradient = (torch.randn(2, images, n, generator=source) for n in (inputs, outputs))
    weight, bias = (torch.randn(2, outputs, *n, generator=source) for n in ((inputs,), ()))
    found = built[kind].linear_backward(x, weight, gradient, inputs=True, weights=True)
    expected = gradient @ weight, gradient.transpose(1, 2) @ x, gradient.sum(1)
    y = torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))
    for a, b in zip((built[kind].linear(x, weight, bias), *found), (y, *expected), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@of_every_stage
def test_where_all_are_equal_the_first_is_chosen(kind, filters, channels, side, outputs, built_for):
    """On flat images all four sums are equal, inside; torch's are too, as these numbers are whole."""
    kernels = built_for(filters)[kind]
    x = torch.ones(1, 2, side, side, channels)
    weight = torch.ones(1, outputs, channels, 5, 5)
    gradient = torch.ones(1, 2, *given(side, outputs))
    data = (x, weight, torch.zeros(1, outputs), gradient, torch.ones(x.shape))
    for name, a, b in zip(
        NAMES, ours(kernels, Activation.RELU, *data), torchs(Activation.RELU, *data), strict=True
    ):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@of_usual_stages
def test_what_is_not_finite_comes_out_as_of_torch(kind, activation, value, channels, side, outputs, built):
    x, weight, bias, gradient, _ = example(channels, side, outputs, runs=2)
    x[0, 1, side // 2, side // 2, 0] = value
    bias[1, 0] = value
    # A gradient that is not finite reaches its own run, and no other.
    gradient[0, 2].view(-1)[-1] = value
    y, found = passed(built[kind], activation, x, weight, bias, gradient)
    expected = stage(x, weight, bias, activation)
    torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-6, equal_nan=True)
    _, finite = passed(built[kind], activation, *(each[1:].clone() for each in (x, weight, bias, gradient)))
    for tensor, alone in zip(found, finite, strict=True):
        assert torch.equal(tensor[1:].nan_to_num(7), alone.nan_to_num(7))
    if activation is not Activation.RELU:  # the gradient of relu may be zero there
        assert not found[1][0].isfinite().all()
        assert not found[2][0].isfinite().all()


PLACES = ("images", "weights", "biases", "gradient")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("filters", [USUAL, WIDTHS[0.8], WIDTHS[2]])
def test_a_runs_gradients_are_finite_exactly_where_torchs_are(
    kind, activation, value, place, filters, built_for
):
    """Of the run that has something else somewhere; single numbers of it may be NaN in one path alone."""
    for channels, side, outputs in stages_of(filters):
        data = example(channels, side, outputs, runs=2)
        x, weight, bias, gradient, _ = data
        tensor, index = {
            "images": (x, (0, 1, side // 2, side // 2, 0)),
            "weights": (weight, (0, outputs // 2, 0, 2, 2)),
            "biases": (bias, (0, outputs - 1)),
            "gradient": (gradient.flatten(2), (0, 2, -1)),
        }[place]
        tensor[index] = value
        *found, _ = ours(built_for(filters)[kind], activation, *data)
        *expected, _ = torchs(activation, *data)
        for name, a, b in zip(NAMES[:-1], found, expected, strict=True):
            assert a[0].isfinite().all() == b[0].isfinite().all(), (name, channels, side)
            assert a[1].isfinite().all(), (name, channels, side)
        if place == "gradient" and activation is not Activation.RELU:  # that of relu may be zero there
            assert not found[2][0].isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_slopes_of_units_change_as_torch_has_them(kind, built):
    """A tangent's derivatives by the units, and gradients by the units added to those by the output."""
    for channels, side, outputs in stages_of(USUAL):
        data = [tensor.double() for tensor in example(channels, side, outputs)]
        x, weight, bias, gradient, tangent = data
        units = scaled_tanh_units(x, weight, bias)
        more = torch.randn(units.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        leaves = [each.clone().requires_grad_() for each in (x, weight, bias)]
        y = stage(leaves[0], leaves[1], leaves[2], Activation.SCALED_TANH)
        by_units = (scaled_tanh_units(leaves[0], leaves[1], leaves[2]) * more).sum()
        expected = torch.autograd.grad((y * gradient).sum() + by_units, leaves)
        u = units.clone().requires_grad_()
        sums = convolved(tangent, weight)
        pushed = torch.stack([F.avg_pool2d(each, 2) for each in sums * (1.7159 * 2 / 3) * (1 - u * u)])
        pushed = pushed.flatten(2) if side == POOLED_SIDE else pushed.movedim(2, -1)
        (bent,) = torch.autograd.grad(pushed, u, gradient)

        x, weight, bias, gradient, tangent, more = (each.float() for each in (*data, more))
        at = built[kind].average_forward(x, weight, bias, Activation.SCALED_TANH)
        order = places(built[kind], x, outputs)
        there = torch.zeros_like(at.units).scatter_(2, order.expand(3, 5, -1), more.flatten(2))
        found = built[kind].average_backward(at, weight, gradient, there, inputs=True, weights=True)
        for name, a, b in zip(NAMES[1:], found, expected, strict=False):
            assert a is not None
            assert distance(a, b) < 1e-6, name
        pushed, bends = built[kind].average_tangent(at, tangent, weight)
        again = built[kind].average_bent(at, bends, gradient).gather(2, order.expand(3, 5, -1))
        assert distance(again, bent.flatten(2)) < 1e-6


def convolved(x: Tensor, weight: Tensor) -> Tensor:
    """[R, B, out, side', side'] of x [R, B, side, side, in]."""
    padding = 2 if x.shape[2] == 28 else 0
    pairs = zip(x.movedim(-1, 2), weight, strict=True)
    return torch.stack([F.conv2d(*each, padding=padding) for each in pairs])


def scaled_tanh_units(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.tanh((convolved(x, weight) + bias[:, None, :, None, None]) * (2 / 3))


def places(kernels: Kernels, x: Tensor, outputs: int) -> Tensor:
    """Where the kernels keep the unit of each [out, side', side']: found by numbers of their own."""
    side, channels = x.shape[2], x.shape[4]
    size = 28 if side != POOLED_SIDE else 10
    found = []
    weight = torch.zeros(1, outputs, channels, 5, 5)
    weight[:, :, 0, 2, 2] = 1
    pad = 2 if side != 28 else 0
    image = torch.zeros(1, 1, side, side, channels)
    image[0, 0, pad : pad + size, pad : pad + size, 0] = torch.arange(1, size**2 + 1).view(size, size)
    bias = torch.arange(outputs).view(1, -1) * (size**2 + 1.0)  # what lies beside the positions has it alone
    units = kernels.average_forward(image, weight, bias, Activation.IDENTITY).units.flatten()
    for c in range(outputs):
        for pixel in range(size**2):
            (at,) = (units == c * (size**2 + 1) + pixel + 1).nonzero().flatten().tolist()
            found.append(at)
    return torch.tensor(found)


@pytest.mark.parametrize("kind", KINDS)
def test_tanh_is_that_of_float64_to_a_few_last_bits(kind, built):
    """Through biases: the images are black. So is 1 - tanh², where units are saturated."""
    values = torch.cat([torch.linspace(-12, 12, 3000), torch.logspace(-30, 2, 2996), torch.tensor([0.0] * 4)])
    bias = values.view(-1, 6)
    x, weight = torch.zeros(len(bias), 1, 28, 28, 1), torch.ones(len(bias), 6, 1, 5, 5)
    found = built[kind].forward(x, weight, bias, Activation.TANH).y[:, 0, 7, 7].flatten().double()
    exact = torch.tanh(values.double())
    torch.testing.assert_close(found, exact, rtol=1.8e-7, atol=0)
    assert found.abs().max() == 1
    assert found[values.abs() < 9].abs().max() < 1
    far = values.abs() > 2
    torch.testing.assert_close(found[far], exact[far], rtol=3.6e-8, atol=0)  # .6 last bits
