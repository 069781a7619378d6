"""What the kernels compute, against torch in float32 and float64, for all instructions there are here."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from regularize.fused.kernels import POOLED_SIDE, Activation, Kernels, Passed
from regularize.fused.reach import USUAL
from regularize.fused.trial import derivatives, stage, stages_of
from tests.regularize.fused.conftest import KINDS, WIDTHS

STAGES = [(filters, *each) for filters in WIDTHS.values() for each in stages_of(filters)]
of_every_stage = pytest.mark.parametrize(("filters", "channels", "side", "outputs"), STAGES)
of_usual_stages = pytest.mark.parametrize(("channels", "side", "outputs"), stages_of(USUAL))
ACTIVATIONS = [Activation.RELU, Activation.TANH]
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
    at = kernels.forward(x, weight, bias, activation)
    back = kernels.backward(at, weight, gradient, inputs=True, weights=True)
    return [at.y, *(each for each in back if each is not None), kernels.tangent(at, t, weight, activation)]


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
        assert distance(a, b) < (1e-6 if filters == USUAL else 2e-6), name
        assert distance(a, c) < max(2 * distance(b, c), 1e-6), name


@pytest.mark.parametrize("activation", ACTIVATIONS)
@of_every_stage
def test_all_kinds_give_the_same_bits(activation, filters, channels, side, outputs, built_for):
    data = example(channels, side, outputs)
    one, *others = (ours(kernels, activation, *data) for kernels in built_for(filters).values())
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("kind", KINDS)
@of_every_stage
def test_a_run_has_the_same_bits_in_any_pack(kind, filters, channels, side, outputs, built_for):
    kernels = built_for(filters)[kind]
    data = example(channels, side, outputs, runs=32, images=3)
    packed = ours(kernels, Activation.TANH, *data)
    for first, last in ((0, 1), (31, 32), (5, 7), (2, 5), (8, 16)):
        part = ours(kernels, Activation.TANH, *(tensor[first:last].clone() for tensor in data))
        assert all(torch.equal(a[first:last], b) for a, b in zip(packed, part, strict=True)), (first, last)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_has_the_same_output_in_any_batch(kind, built):
    x, weight, bias, *_ = example(1, 28, 6, images=9)
    whole = built[kind].forward(x, weight, bias, Activation.RELU).y
    for count in (1, 4):
        part = built[kind].forward(x[:, :count].contiguous(), weight, bias, Activation.RELU).y
        assert torch.equal(whole[:, :count], part)


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
    at = built[kind].forward(x, weight, bias, activation)
    assert_same(at, stage(x, weight, bias, activation))
    # A gradient that is not finite reaches its own run, and no other.
    gradient[0, 2].view(-1)[-1] = value
    found = built[kind].backward(at, weight, gradient, inputs=True, weights=True)
    finite = built[kind].backward(
        built[kind].forward(x[1:].clone(), weight[1:].clone(), bias[1:].clone(), activation),
        weight[1:].clone(), gradient[1:].clone(), inputs=True, weights=True,
    )  # fmt: skip
    for tensor, alone in zip(found, finite, strict=True):
        assert tensor is not None
        assert alone is not None
        assert torch.equal(tensor[1:].nan_to_num(7), alone.nan_to_num(7))
    if activation is Activation.TANH:  # the gradient of relu may be zero there
        assert not found[1][0].isfinite().all()
        assert not found[2][0].isfinite().all()


def assert_same(at: Passed, expected: Tensor) -> None:
    torch.testing.assert_close(at.y, expected, rtol=1e-5, atol=1e-6, equal_nan=True)


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
        if place == "gradient" and activation is Activation.TANH:  # that of relu may be zero there
            assert not found[2][0].isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_tanh_is_that_of_float64_to_a_few_last_bits(kind, built):
    """Through biases: the images are black."""
    values = torch.cat([torch.linspace(-12, 12, 3000), torch.logspace(-30, 2, 2996), torch.tensor([0.0] * 4)])
    bias = values.view(-1, 6)
    x, weight = torch.zeros(len(bias), 1, 28, 28, 1), torch.ones(len(bias), 6, 1, 5, 5)
    found = built[kind].forward(x, weight, bias, Activation.TANH).y[:, 0, 7, 7].flatten().double()
    torch.testing.assert_close(found, torch.tanh(values.double()), rtol=4e-7, atol=0)
    assert found.abs().max() == 1
