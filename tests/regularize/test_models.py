"""Every model: the contract of a pack with several techniques at once, and what the model computes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from regularize import models
from regularize.config import RunConfig, Term
from regularize.data.clusters import CENTRES
from regularize.data.data_config import DataConfig
from regularize.errors import UserError
from regularize.models import MODELS
from regularize.models.plane import NearestCorner
from regularize.models.variant import Variant
from regularize.regularizers import REGULARIZERS
from regularize.testing import CHECKS, Trial, train_by_ranks
from regularize.training_config import Training
from tests.regularize import technique_cases
from tests.regularize.cases import run, trained
from tests.regularize.model_cases import EXAMPLES, TABLE, case, everything, facts, not_composed, resnet


def test_every_model_is_in_the_table():
    assert set(TABLE) == set(MODELS)
    techniques = {term.technique for term in everything("resnet8").weak}
    assert techniques | {"none"} | not_composed() == set(REGULARIZERS)


def test_a_new_technique_that_keeps_weights_needs_no_edit_here(monkeypatch):
    monkeypatch.setitem(REGULARIZERS, "newtail", replace(REGULARIZERS["ema"], label="New tail"))
    row = technique_cases.case("newtail", "decay", 0.5, 0.9)
    monkeypatch.setitem(technique_cases.TABLE, "newtail", row)
    found = everything("toy_mlp")
    assert [t.technique for t in found.weak if REGULARIZERS[t.technique].keeps] == ["swa"]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """The folder of what two ranks trained of all models, and of the example's ResNet: two processes."""
    folder = tmp_path_factory.mktemp("ranks") / "all"
    packs = {f"{name}/{kind}": runs for name in TABLE for kind, runs in case(name).packs_of_ranks().items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        train_by_ranks(packs | {"example": resnet(steps=20, precision="float64")}, folder)
    return folder


@pytest.mark.parametrize("model", TABLE)
def test_a_model_keeps_the_contract_with_all_techniques(model, tmp_path):
    """Bit for bit in float32."""
    trial = Trial(everything(model), tmp_path)
    for name in ("packed_is_alone", "resumed_is_uninterrupted"):
        CHECKS[name](trial)


@pytest.mark.parametrize("model", TABLE)
def test_two_ranks_train_it_as_one(model, ranks, tmp_path):
    """With several techniques at once, to 1e-9 in float64."""
    trial = Trial(case(model), tmp_path)
    trial.__dict__["ranks"] = ranks / model
    CHECKS["two_ranks_are_one"](trial)


def test_two_ranks_train_the_examples_resnet_as_one(ranks, tmp_path, monkeypatch):
    """It normalises every example by itself."""
    monkeypatch.syspath_prepend(EXAMPLES)
    one = trained(resnet(steps=20, precision="float64"), tmp_path)
    together = torch.load(ranks / "example" / "weights.pt", weights_only=True)["model"]
    for name, weight in one.items():
        torch.testing.assert_close(together[name], weight, rtol=0, atol=1e-9, msg=name)


@pytest.mark.parametrize("model", ["toy_mlp", "toy_plane", "toy_rnn"])
def test_toy_models_solve_the_toy_problem(model, tmp_path):
    config = RunConfig(
        data=DataConfig(name="clusters"),
        model=model,
        regularizer="none",
        terms=(),
        training=Training(epochs=5, batch_size=32, lr=0.05),
    )
    weights = trained([config], tmp_path)
    network = models.build(model, [0], shape=(2,), classes=4)
    network.load_state_dict(weights)
    assert network(torch.tensor([CENTRES], dtype=torch.float32)).argmax(-1).tolist() == [[0, 1, 2, 3]]


class Squash(nn.Module):
    """LeCun's: odd, 1 at 1, −1 at −1."""

    def forward(self, x):
        return 1.7159 * torch.tanh(2 * x / 3)


@pytest.mark.parametrize("classes", [10, 100])
@pytest.mark.parametrize("side", [28, 32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("model", "activation", "pool"),
    [
        ("lenet5", nn.ReLU(), nn.MaxPool2d(2)),
        ("lenet5_tanh", Squash(), nn.AvgPool2d(2)),
        ("lenet_prime", nn.Tanh(), nn.MaxPool2d(2)),
    ],
)
def test_each_lenet_is_the_usual_chain_of_layers(model, activation, pool, channels, side, classes):
    network = models.build(model, [3, 4], shape=(channels, side, side), classes=classes).double()
    source = torch.Generator().manual_seed(0)
    for name in network.weight_layers:  # some of which start at 0
        network.get_parameter(f"{name}.bias").data.uniform_(-0.3, 0.3, generator=source)
    x = torch.randn(2, 5, channels, side, side, generator=source, dtype=torch.float64)
    logits = network(x)
    assert logits.shape == (2, 5, classes)
    for which in range(2):
        layers = [
            nn.Conv2d(channels, 6, 5, padding=2 if side == 28 else 0),
            nn.Conv2d(6, 16, 5),
            nn.Linear(400, 120),
            nn.Linear(120, 84),
            nn.Linear(84, classes),
        ]
        for layer, name in zip(layers, network.weight_layers, strict=True):
            layer.weight.data = network.get_parameter(f"{name}.weight")[which]
            layer.bias.data = network.get_parameter(f"{name}.bias")[which]
        conv1, conv2, fc1, fc2, fc3 = layers
        convolutions = nn.Sequential(conv1, activation, pool, conv2, activation, pool, nn.Flatten())
        plain = nn.Sequential(convolutions, fc1, activation, fc2, activation, fc3)
        torch.testing.assert_close(logits[which], plain(x[which]), rtol=0, atol=1e-12)


def test_mlp_is_the_usual_chain_of_layers():
    network = models.build("mlp", [3], shape=(1, 28, 28), classes=10)
    plain = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)
    )
    for layer, name in zip((plain[1], plain[3], plain[5]), network.weight_layers, strict=True):
        layer.weight.data = network.get_parameter(f"{name}.weight")[0]
        layer.bias.data = network.get_parameter(f"{name}.bias")[0]
    x = torch.randn(1, 5, 1, 28, 28)
    torch.testing.assert_close(network(x)[0], plain(x[0]))


def test_toy_rnn_is_torchs_rnn_over_the_coordinates():
    network = models.build("toy_rnn", [3], shape=(2,), classes=4)
    plain = nn.RNN(1, 16, batch_first=True)
    for kind, layer in (("ih", network.input), ("hh", network.recurrent)):
        getattr(plain, f"weight_{kind}_l0").data = layer.weight[0]
        getattr(plain, f"bias_{kind}_l0").data = layer.bias[0] + 0.1
        layer.bias.data += 0.1  # which starts at 0
    x = torch.randn(1, 5, 2)
    last = plain(x[0].unsqueeze(-1))[0][:, -1]
    point = F.linear(last, network.output.weight[0], network.output.bias[0])
    torch.testing.assert_close(network(x)[0], NearestCorner()(point))


def test_the_read_out_is_the_nearest_corner_and_an_isometry():
    z = torch.randn(200, 2)
    logits = NearestCorner()(z)
    assert torch.equal(logits.argmax(-1), torch.cdist(z, torch.tensor(CENTRES).float()).argmin(-1))
    torch.testing.assert_close(torch.pdist(logits), torch.pdist(z), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(logits @ NearestCorner().basis(logits).t(), z)


@pytest.mark.parametrize("model", ["toy_plane", "toy_rnn"])
def test_the_basis_gives_the_jacobian_of_the_map_of_the_plane(model):
    """By torch.func, at the layer before the read-out: its determinant with its sign."""
    network = models.build(model, [0], shape=(2,), classes=4).double()
    x = torch.tensor([0.3, -0.7], dtype=torch.float64)
    points = []
    network.read_out.register_forward_pre_hook(lambda _module, inputs: points.append(inputs[0]))

    def point(example):
        network(example.view(1, 1, 2))
        return points.pop().flatten()

    def coordinates(example):
        logits = network(example.view(1, 1, 2)).flatten()
        return network.basis(logits) @ logits

    torch.testing.assert_close(
        torch.func.jacrev(coordinates)(x), torch.func.jacrev(point)(x), rtol=1e-12, atol=0
    )


def test_the_signed_determinant_is_refused_where_logits_fill_more_than_a_plane(tmp_path):
    config = run(
        (Term.build("jacobian_determinant", {"strength": 1.0, "form": "signed"}),),
        0,
        steps=1,
        model="toy_mlp",
        data="clusters",
    )
    with pytest.raises(UserError, match="4×2"):
        trained([config], tmp_path)


@pytest.mark.parametrize("model", MODELS)
def test_runs_start_the_same_in_every_pack(model):
    shape, classes = facts(model).shape, facts(model).classes
    pair = models.build(model, [5, 6], shape=shape, classes=classes)
    alone = models.build(model, [6], shape=shape, classes=classes)
    for name, parameter in alone.named_parameters():
        assert torch.equal(pair.get_parameter(name)[1], parameter[0])
    assert not torch.equal(
        pair.weights()[f"{pair.weight_layers[0]}.weight"][0], next(iter(alone.weights().values()))[0]
    )


VARIANTS = (
    "resnet8 width=1.5",
    "mlp hidden=20-7-5",
    "mlp hidden=12 activation=tanh std=0.1 width=1.5",
    "lenet_prime width=0.5",
)


@pytest.mark.parametrize("model", [*MODELS, *VARIANTS])
def test_the_table_outlines_the_network_that_is_built(model):
    shape, classes = facts(model).shape, facts(model).classes
    network = models.build(model, [0], shape=shape, classes=classes)
    assert models.outline(model, shape, classes) == network.outline(shape, classes)


@pytest.mark.parametrize(
    ("model", "shape", "classes", "needs"),
    [
        ("lenet5", (2,), 4, "model lenet5 takes images of 28×28 or 32×32, not examples of 2, 4 classes"),
        ("lenet_prime", (3, 64, 64), 10, "not examples of 3×64×64, 10 classes"),
        ("resnet8", (3, 7, 7), 10, "model resnet8 takes square images of 8×8 or more, not examples of 3×7×7"),
        ("toy_plane", (1, 28, 28), 10, "model toy_plane takes points in the plane, 4 classes, not examples"),
        ("toy_rnn", (2,), 3, "not examples of 2, 3 classes"),
    ],
)
def test_a_model_says_what_it_takes(model, shape, classes, needs):
    with pytest.raises(UserError, match=needs):
        models.build(model, [0], shape=shape, classes=classes)


def test_a_variant_is_the_network_that_its_settings_say():
    name = "mlp hidden=300-200 activation=tanh std=0.02 width=0.5"
    network = models.build(name, [3, 4], shape=(1, 28, 28), classes=10).double()
    weights = {name: weight.shape[1:] for name, weight in network.weights().items()}
    assert weights == {"fc1.weight": (150, 784), "fc2.weight": (100, 150), "fc3.weight": (10, 100)}
    for layer in network.weight_layers:
        assert not network.get_parameter(f"{layer}.bias").any()
    drawn = network.get_parameter("fc1.weight")
    assert drawn.std().item() == pytest.approx(0.02, rel=0.01)
    assert drawn.mean().item() == pytest.approx(0, abs=3e-4)
    x = torch.randn(2, 5, 1, 28, 28, dtype=torch.float64)
    by_hand = x.flatten(2)
    for layer in ("fc1", "fc2"):
        by_hand = torch.tanh(by_hand @ network.get_parameter(f"{layer}.weight").mT)
    torch.testing.assert_close(network(x), by_hand @ network.get_parameter("fc3.weight").mT)


def test_a_wide_lenet_has_as_many_filters_and_units():
    network = models.build("lenet5 width=2", [0], shape=(1, 28, 28), classes=10)
    outputs = [weight.shape[1] for weight in network.weights().values()]
    assert outputs == [12, 32, 240, 168, 10]


def test_a_variant_is_read_as_it_is_written():
    texts = ("mlp", "mlp hidden=8", "mlp hidden=1024-1024 std=0.01", "lenet5 width=0.25", "toy_mlp width=2")
    for text in texts:
        assert Variant.read(text).text == text
    assert Variant.read("mlp width=2 hidden=8-8").text == "mlp hidden=8-8 width=2"


def test_units_are_a_network_however_they_are_given():
    """So that a sweep has it once."""
    one, other = (Variant.read(text) for text in ("mlp hidden=40 std=0.1", "mlp hidden=20 std=0.1 width=2"))
    assert one.network == other.network
    assert one.network != Variant.read("mlp hidden=40").network
    built = [models.build(each.text, [0, 1], shape=(1, 28, 28), classes=10) for each in (one, other)]
    first, second = (model.state_dict() for model in built)
    assert first.keys() == second.keys()
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())
