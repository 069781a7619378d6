"""The residual networks against torch's own layers with the same weights, and what their layers are asked."""

from __future__ import annotations

import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from regularize import models
from regularize.convolutions import convolutions
from regularize.evaluation.operators import circular_values, operator_values
from regularize.evaluation.singular_values import singular_values
from tests.regularize.evaluation.networks import examined, untrained


class Plain(nn.Module):
    """That of He et al. 2016, section 4.2, one of it, with group normalisation."""

    def __init__(self, depth, channels, classes, width=1.0):
        super().__init__()
        filters = [round(n * width) for n in (16, 32, 64)]
        blocks = (depth - 2) // 6
        outputs = [filters[0], *(f for f in filters for _ in range(2 * blocks))]
        inputs = [channels, *outputs[:-1]]
        pairs = list(zip(inputs, outputs, strict=True))
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2 if a != b and n else 1, padding=1, bias=False)
            for n, (a, b) in enumerate(pairs)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(4, b) for _, b in pairs)
        self.fc = nn.Linear(filters[2], classes)

    def forward(self, x):
        normed = [lambda h, c=c, n=n: n(c(h)) for c, n in zip(self.convs, self.norms, strict=True)]
        x = F.relu(normed[0](x))
        for first, second in zip(normed[1::2], normed[2::2], strict=True):
            residual = second(F.relu(first(x)))
            if residual.shape != x.shape:
                zeros = torch.zeros_like(residual[:, x.shape[1] :])
                x = torch.cat([x[:, :, ::2, ::2], zeros], 1)
            x = F.relu(residual + x)
        return self.fc(x.mean((2, 3)))


def taken(network, run, plain):
    """The plain network with the weights of one run."""
    numbers = range(1, len(plain.convs) + 1)
    with torch.no_grad():
        for number, conv, norm in zip(numbers, plain.convs, plain.norms, strict=True):
            conv.weight.copy_(network.get_parameter(f"conv{number}.weight")[run])
            norm.weight.copy_(network.get_parameter(f"norm{number}.gain")[run])
            norm.bias.copy_(network.get_parameter(f"norm{number}.bias")[run])
        plain.fc.weight.copy_(network.fc.weight[run])
        plain.fc.bias.copy_(network.fc.bias[run])
    return plain


@pytest.mark.parametrize(
    ("model", "depth", "width", "channels", "side"),
    [
        ("resnet8", 8, 1.0, 1, 10),
        ("resnet20", 20, 1.0, 3, 8),
        ("resnet8 width=1.25", 8, 1.25, 3, 9),
    ],
)
def test_it_is_the_plain_network_with_its_gradients(model, depth, width, channels, side):
    """Of a loss, and of a penalty on the Jacobian: the gradient of a gradient. All are of float64."""
    network = models.build(model, [3, 4], shape=(channels, side, side), classes=10).double()
    source = torch.Generator().manual_seed(0)
    for name, parameter in network.named_parameters():  # gains begin at 1, biases at 0
        if ".weight" not in name:
            parameter.data.add_(0.3 * torch.randn(parameter.shape, generator=source))
    x = torch.randn(2, 3, channels, side, side, generator=source, dtype=torch.float64).requires_grad_()
    logits = network(x)

    def found(logits, x, parameters):
        losses = F.log_softmax(logits, -1)[..., 3].sum()
        (slope,) = torch.autograd.grad(losses, x, create_graph=True)
        return torch.autograd.grad(losses + slope.square().sum(), parameters)

    names = [name for name, _ in network.named_parameters()]
    ours = dict(zip(names, found(logits, x, list(network.parameters())), strict=True))
    for run in (0, 1):
        plain = taken(network, run, Plain(depth, channels, 10, width).double())
        own = x[run].detach().requires_grad_()
        expected = plain(own)
        torch.testing.assert_close(logits[run], expected, rtol=0, atol=1e-11)
        gradients = found(expected, own, list(plain.parameters()))
        theirs = dict(zip([name for name, _ in plain.named_parameters()], gradients, strict=True))
        for name, gradient in ours.items():
            layer, _, kind = name.partition(".")
            kind = {"gain": "weight"}.get(kind, kind)
            group, number = layer.rstrip("0123456789"), int(re.sub("[a-z]", "", layer) or 0)
            their = f"{group}s.{number - 1}.{kind}" if number else name
            torch.testing.assert_close(gradient[run], theirs[their], rtol=1e-9, atol=1e-9, msg=name)


def test_resnet20_has_the_parameters_of_the_paper():
    network = models.build("resnet20", [0], shape=(3, 32, 32), classes=10)
    assert sum(parameter.numel() for parameter in network.parameters()) == 269_722  # 0.27 million there


def test_what_is_shown_of_convolutions_can_be_switched_off():
    """A factor of 0 for a channel is a filter and a bias of 0; the mean over pixels is a hidden layer."""
    network = models.build("resnet8", [0, 1], shape=(1, 12, 12), classes=4)

    def first_off(name, h):
        seen[name] = h.shape
        return h * (torch.arange(h.shape[2]) > 0).view(1, 1, -1, 1) if name == "conv4" else h

    first_off.of_channels, seen = True, {}
    x = torch.randn(2, 3, 1, 12, 12)
    off = network(x, first_off)
    assert tuple(seen) == (*network.image_layers, *network.hidden_layers)
    assert seen["conv4"] == (2, 3, 32, 36)
    assert seen["pool"] == (2, 3, 64)
    assert not torch.allclose(off, network(x))
    with torch.no_grad():
        network.norm4.gain[:, 0] = 0
        network.norm4.bias[:, 0] = 0
    torch.testing.assert_close(network(x), off)


def test_operators_of_its_convolutions_are_those_of_its_images():
    """With strides, as pushed through the convolution; circular ones only without."""
    network = models.build("resnet8", [0], shape=(1, 12, 12), classes=4).double()
    found = convolutions(network, (1, 12, 12))
    assert tuple(found) == network.image_layers
    assert [each.image for each in found.values()][2:5] == [(16, 12, 12), (16, 12, 12), (32, 6, 6)]
    strided = found["conv4"]
    weight = network.kernel("conv4").detach()
    _, slope = strided.begin(weight.flatten(2))
    sigma = (weight.flatten(2) * slope).sum()
    images = torch.eye(16 * 144, dtype=torch.float64).view(-1, 16, 12, 12)
    matrix = F.conv2d(images, weight[0], stride=2, padding=1).flatten(1)
    assert sigma.item() == pytest.approx(torch.linalg.matrix_norm(matrix, 2).item(), rel=0.01)

    of_digits = untrained([0], model="lenet5")
    subject = examined(
        models.build("resnet8", [0], shape=(1, 28, 28), classes=10).double(), [0], of_digits.batches, 10
    )
    spectra = singular_values(subject.model.weights())
    operators = operator_values(subject, spectra)
    undefined = {layer for layer, values in operators.items() if values.isnan().any()}
    assert undefined == {"conv4", "conv6"}
    kernel = subject.model.kernel("conv2").detach()
    torch.testing.assert_close(operators["conv2"], circular_values(kernel, (30, 30))[:, :16])
