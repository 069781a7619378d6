"""Activations of layers, of the project's own networks and of someone else's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from analysis.networks.example_choice import one_a_class, sample
from analysis.networks.layer_activations import activations, convolutions, feature_maps
from analysis.networks.trained_network import untrained
from regularize.errors import UserError
from tests.analysis.trained import PLAIN


class Odd(nn.Module):
    """Images read row by row, by layers that put out tuples, of either order of axes, and by words alone."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.rows = nn.LSTM(28, 6, batch_first=True)
        self.steps = nn.LSTM(6, 6)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.named = Named(6)
        self.unused, self.head = nn.Linear(6, 6), Rectified(6, classes)
        self.patches, self.each = nn.Conv2d(1, 2, 3), nn.Conv2d(1, 2, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.patches(x.reshape(-1, 1, 14, 28))
        torch.stack([self.each(image) for image in x])
        read, _ = self.rows(x.squeeze(1))
        steps, _ = self.steps(read.transpose(0, 1))
        seen, _ = self.attention(query=read, key=read, value=read)
        return self.head(input=self.named(seen[:, -1] + steps[-1])["out"])


class Named(nn.Module):
    """Puts out no tensor."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.inner = nn.Linear(units, units)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": self.inner(x)}


class Rectified(nn.Linear):
    """Overwrites what it is given."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input.relu_())


def odd(_shape: tuple[int, ...], classes: int) -> nn.Module:
    return Odd(classes)


@pytest.fixture(scope="module")
def lenet():
    return untrained(PLAIN)


@pytest.fixture
def resnet(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "examples")
    return untrained(replace(PLAIN, model="small_resnet:group_norm"))


@pytest.fixture(scope="module")
def x(lenet):
    return sample(lenet.batches, 5).x


def test_feature_maps_are_the_convolutions_of_the_normalised_image(lenet, x):
    conv = lenet.network.module("conv1")
    expected = F.conv2d(x, conv.weight[0], conv.bias[0], padding=2)
    torch.testing.assert_close(feature_maps(lenet, x, "conv1"), expected)
    pooled = F.relu(F.max_pool2d(expected, 2))
    conv = lenet.network.module("conv2")
    torch.testing.assert_close(
        feature_maps(lenet, x, "conv2"), F.conv2d(pooled, conv.weight[0], conv.bias[0])
    )
    torch.testing.assert_close(activations(lenet, x, "conv1"), pooled.flatten(1))


def test_a_layers_activations_are_what_the_next_is_given(lenet, x):
    hidden = activations(lenet, x, "fc2")
    assert hidden.shape == (5, 84)
    assert torch.equal(hidden, activations(lenet, x))
    last = lenet.network.module("fc3")
    logits = hidden @ last.weight[0].t() + last.bias[0]
    torch.testing.assert_close(logits, lenet.logits(x))
    torch.testing.assert_close(activations(lenet, x, "fc3"), lenet.logits(x))


def test_someone_elses_module(resnet, x):
    assert convolutions(resnet.network)[:2] == ["0", "3.conv1"]
    assert feature_maps(resnet, x, "0").shape == (5, 8, 14, 14)
    assert activations(resnet, x).shape == (5, 32)
    block = activations(resnet, x, "4")
    assert block.shape == (5, 16 * 7 * 7)
    assert (block >= 0).all(), "a block ends in a ReLU"


def test_maps_of_someone_elses_module_are_those_of_its_trained_weights(resnet, x, monkeypatch):
    trained = dict(resnet.network.named_parameters())
    with torch.no_grad():
        for parameter in trained.values():
            parameter.mul_(2).add_(0.1)
    before = F.conv2d(x, trained["0.weight"][0], stride=2, padding=1)
    torch.testing.assert_close(feature_maps(resnet, x, "0"), before)
    monkeypatch.setattr(resnet.network.module("1"), "forward", torch.relu_)  # what follows works in place
    torch.testing.assert_close(feature_maps(resnet, x, "0"), before)


def test_what_the_last_layer_is_given_may_be_overwritten_afterwards(resnet, x, monkeypatch):
    expected, whole = activations(resnet, x), resnet.network.module("")

    def forward(z: torch.Tensor) -> torch.Tensor:
        for layer in whole:
            before, z = z, layer(z)
        before.zero_()
        return z

    monkeypatch.setattr(whole, "forward", forward)
    assert expected.any()
    assert torch.equal(activations(resnet, x), expected)


def test_the_recurrent_network():
    toy = replace(PLAIN, data=replace(PLAIN.data, name="clusters"), model="toy_rnn")
    trained = untrained(toy)
    x = sample(trained.batches, 5).x
    assert activations(trained, x).shape == (5, 16)
    assert convolutions(trained.network) == []


def test_an_unknown_layer(lenet, x):
    with pytest.raises(UserError, match=r"lenet5 has no layer 'fc9'; one of: conv1, .*penultimate; did you"):
        activations(lenet, x, "fc9")


@pytest.fixture(scope="module")
def strange():
    return untrained(replace(PLAIN, model=f"{__name__}:odd"))


@pytest.mark.parametrize("layer", ["penultimate", "rows", "attention", "head", "named.inner"])
def test_activations_of_a_strange_module_are_those_that_each_example_has_alone(strange, x, layer):
    found = activations(strange, x, layer)
    alone = torch.cat([activations(strange, each, layer) for each in x.split(1)])
    torch.testing.assert_close(found, alone)
    assert found.shape == (len(x), {"rows": 28 * 6, "attention": 28 * 6, "head": 10}.get(layer, 6))


def test_the_last_layer_is_given_what_it_is_given_before_it_overwrites_it(strange, x):
    given = activations(strange, x)
    assert (given < 0).any()
    assert torch.equal(given, activations(strange, x, "named.inner"))


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (
            "steps",
            r"'steps' of model .*:odd puts out \[28, 5, 6\] for 5 examples, which are not its first axis; ",
        ),
        ("named", "'named' of model .*:odd puts out dict, and no tensor; "),
        ("unused", "'unused' of model .*:odd is never called by itself; "),
        ("rows.weight_ih_l0", "no layer 'rows.weight_ih_l0'; one of: .*, rows, "),
    ],
)
def test_examples_are_never_mixed(strange, x, layer, why):
    with pytest.raises(UserError, match=why):
        activations(strange, x, layer)


def test_a_sequence_as_long_as_the_batch(strange):
    with pytest.raises(UserError, match=r"\[28, 1, 6\] for 1 example, "):
        activations(strange, sample(strange.batches, 28).x, "steps")


@pytest.mark.parametrize(("layer", "shape"), [("patches", "2, 2, 12, 26"), ("each", "2, 28, 28")])
def test_maps_are_of_an_image(strange, x, layer, shape):
    with pytest.raises(UserError, match=f"'{layer}' of model .*:odd puts out .{shape}"):
        feature_maps(strange, x[:1], layer)


def test_hooks_are_taken_off_again(lenet, x):
    activations(lenet, x, "conv1")
    assert not any(module._forward_hooks for module in lenet.network.modules())


def test_examples_are_drawn_without_looking(lenet):
    some, more = sample(lenet.batches, 8), sample(lenet.batches, 20)
    assert more.rows[:8] == some.rows
    assert len(set(more.rows)) == 20
    assert some.labels.tolist() == lenet.batches.labels["test"][some.rows].tolist()
    each = one_a_class(lenet.batches, 10)
    assert sorted(each.labels.tolist()) == list(range(10))
    assert each.rows[0] == some.rows[0]
    assert len(one_a_class(lenet.batches, 99).rows) == 10


def test_examples_are_normalised_as_in_training(lenet):
    found = sample(lenet.batches, 3)
    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in stats())
    torch.testing.assert_close(
        found.x.double(), (torch.from_numpy(found.pixels(lenet.batches)) - mean) / std, atol=1e-5, rtol=1e-5
    )


def stats():
    from regularize.data import prepared

    ready = prepared("digits")
    return ready.mean, ready.std
