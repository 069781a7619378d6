"""The derivatives that layers hand out, against torch's own forward mode and reverse mode."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from torch.autograd import grad

from regularize import run_by_run
from regularize.layers import (
    RunConv2d,
    RunLinear,
    average_pool,
    fold,
    linear,
    max_pool,
    relu,
    scaled_tanh,
    tanh,
    unfold,
)


def filled(module):
    module = module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(3))
    return module


IMAGES, ROWS = (4, 6, 8, 8), (2, 4, 5)  # folded images of 2 runs; examples of 2 runs
LAYERS = {
    "conv": (filled(RunConv2d(2, 3, 5, 3, padding=1)).link, IMAGES),
    "conv without bias": (filled(RunConv2d(2, 3, 5, 3, padding=1)).weigh, IMAGES),
    "bias": (filled(RunConv2d(2, 3, 3, 3)).shift, IMAGES),
    "linear": (filled(RunLinear(2, 5, 7)).link, ROWS),
    "max_pool": (max_pool, IMAGES),
    "average_pool": (average_pool, IMAGES),
    "relu": (relu, ROWS),
    "tanh": (tanh, ROWS),
    "scaled_tanh": (scaled_tanh, IMAGES),
    "fold": (linear(fold), (2, 4, 3, 8, 8)),
    "unfold": (linear(lambda x: unfold(x, 2)), IMAGES),
}


@pytest.mark.parametrize("name", LAYERS)
def test_push_is_the_derivative(name):
    layer, shape = LAYERS[name]
    source = torch.Generator().manual_seed(0)
    x, tangent = (torch.randn(shape, generator=source, dtype=torch.float64) for _ in range(2))
    small = 1e-6
    expected = (layer(x + small * tangent).output - layer(x - small * tangent).output) / (2 * small)
    torch.testing.assert_close(layer(x).push(tangent), expected, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", LAYERS)
def test_push_depends_on_what_it_says_and_on_nothing_else(name):
    """∂/∂x of δᵀ D(x) u, and ∂/∂weight, both through `depends_on` alone, against double backward."""
    layer, shape = LAYERS[name]
    source = torch.Generator().manual_seed(1)
    x, tangent = (torch.randn(shape, generator=source, dtype=torch.float64) for _ in range(2))
    x.requires_grad_()
    link = layer(x)
    adjoint = torch.randn(link.output.shape, generator=source, dtype=torch.float64)
    adjoint.requires_grad_()  # so that there is a graph even where the derivative is constant
    (pulled,) = grad(link.output, x, adjoint, create_graph=True)
    product = (pulled * tangent).sum()
    sources = [x, *(t for t in link.depends_on if t.is_leaf)]
    expected = grad(product, sources, retain_graph=True, allow_unused=True)
    found = [torch.zeros_like(each) for each in sources]
    if link.depends_on:
        slopes = grad(link.push(tangent), link.depends_on, adjoint.detach())
        ours = grad(link.depends_on, sources, slopes, allow_unused=True)
        found = [a if b is None else b for a, b in zip(found, ours, strict=True)]
    for each, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(each, torch.zeros_like(each) if wanted is None else wanted)


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_maximum_pooling_is_torchs_and_in_float64_blind_to_the_last_bits(memory):
    x = torch.randn(2, 6, 8, 8, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=memory)
    torch.testing.assert_close(max_pool(x).output, torch.nn.functional.max_pool2d(x, 2))
    flat = torch.ones(1, 1, 2, 2, dtype=torch.float64)
    flat[..., 1, 1] += 1e-12
    assert max_pool(flat).output.item() == 1.0, "the first of equals"


def test_the_bias_may_wait_until_after_maximum_pooling():
    conv = filled(RunConv2d(2, 3, 5, 3, padding=1))
    x = torch.randn(IMAGES, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    late = conv.shift(max_pool(conv.weigh(x).output).output).output
    torch.testing.assert_close(late, max_pool(conv(x)).output)


# As on a processor without AVX-512, where the library's kernels hang on the number of runs.
PAIRS = """
import torch
from regularize import run_by_run
run_by_run.ANY_NUMBER = False
torch.set_num_threads(1)
x, weight, slope = (torch.randn(s) for s in ((7, 54, 14, 14), (9, 16, 6, 5, 5), (7, 144, 10, 10)))

def convolved(runs):
    images, slopes = (torch.cat([t.chunk(9, 1)[run] for run in runs], 1) for t in (x, slope))
    images, weights = images.requires_grad_(), weight[runs].clone().requires_grad_()
    output = run_by_run.convolution(images, weights, 0)
    output.backward(slopes)
    parts = (output.detach().chunk(len(runs), 1), weights.grad, images.grad.chunk(len(runs), 1))
    return [[each[place] for each in parts] for place in range(len(runs))]

together = convolved(list(range(9)))
for runs in ([0, 0], [1, 2], [3, 4, 5], [8, 0, 2, 5], [1, 3, 5, 7, 6]):
    for run, found in zip(runs, convolved(runs)):
        assert all(map(torch.equal, found, together[run])), (runs, run)
grouped = run_by_run._grouped(x, weight, 0, 1)
torch.testing.assert_close(run_by_run.convolution(x, weight, 0), grouped, rtol=1e-5, atol=1e-4)
"""


def test_convolutions_by_pairs_have_the_same_bits_for_every_number_of_runs() -> None:
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    subprocess.run([sys.executable, "-c", PAIRS], env=environment, check=True)


@pytest.mark.parametrize(("examples", "inputs", "outputs"), [(7, 9, 10), (6, 33, 20), (1, 84, 5), (8, 3, 31)])
def test_a_linear_layer_of_any_width_has_a_run_s_bits_whatever_is_beside_it(examples, inputs, outputs):
    """Some libraries' products follow the address that a matrix lies at, which odd widths move."""
    shapes = ((examples, inputs), (outputs, inputs), (outputs,), (examples, outputs))
    x, weight, bias, gradient = (torch.randn(8, *shape) for shape in shapes)

    def all_of(some):
        given = [each[some].clone().requires_grad_() for each in (x, weight, bias)]
        y = run_by_run.linear(*given)
        return y, *torch.autograd.grad(y, given, gradient[some].clone())

    together = all_of(slice(None))
    for size in (1, 3):
        for first in range(0, 8, size):
            some = slice(first, first + size)
            for one, other in zip(all_of(some), together, strict=True):
                assert torch.equal(one, other[some])
