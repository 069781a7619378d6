"""Modules without the run axis: the example's small ResNet, and modules with what others may have."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from itertools import count
from types import ModuleType

import pytest
import torch
import torch.nn.utils.prune
from torch import nn

from regularize import models
from regularize.config import RunConfig, Term
from regularize.errors import UserError
from regularize.models.foreign import Foreign
from regularize.store import PackPaths
from regularize.train_pack import train_pack
from tests.regularize.cases import run, trained
from tests.regularize.model_cases import ALL, EXAMPLES, RESNET

BATCH_NORM = "small_resnet:batch_norm"
TECHNIQUES = {
    "l1": {"strength": 0.5},
    "l2": {"strength": 1e-2},
    "soft_svb": {"strength": 1e-2},
    "hard_svb": {"epsilon": 0.1, "every": 2},
    "jacobian": {"strength": 0.1},
    "dropout": {"p": 0.5},
    "weight_noise": {"sigma": 0.01},
}


@pytest.fixture(autouse=True)
def _examples(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)


@pytest.fixture
def module_of(monkeypatch):
    """`module_of(factory)`: the name under which a sweep finds the function `factory`."""

    def name(factory):
        module = ModuleType("someones")
        module.factory = factory
        module.__spec__ = ModuleSpec("someones", None)
        monkeypatch.setitem(sys.modules, "someones", module)
        return "someones:factory"

    return name


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        return trained([run((), 0, steps=5, model=RESNET)], tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_techniques_reach_a_resnet(technique, plain, tmp_path):
    terms = (Term.build(technique, TECHNIQUES[technique]),)
    weights = trained([run(terms, 0, steps=5, model=RESNET)], tmp_path)
    for name in ("0.weight", "3.conv2.weight", "8.weight"):  # stem, a block, the linear layer
        assert weights[name].isfinite().all()
        assert not torch.allclose(weights[name], plain[name], rtol=0, atol=1e-7), name
    if technique == "l1":
        assert (weights["3.conv1.weight"] == 0).any()
    if technique == "hard_svb":
        values = torch.linalg.svdvals(weights["4.conv1.weight"][0].flatten(1))
        assert values.max() <= 1.1 + 1e-5
        assert values.min() >= 1 / 1.1 - 1e-5


def test_training_is_that_of_the_module_itself(module_of, tmp_path):
    """Against torch's own loop over the module, batch normalisation and all, in float64."""
    made = []

    def factory(shape, classes):
        made.append(_small(shape, classes, nn.BatchNorm2d(4)))
        return made[-1]

    config = run((), 3, steps=12, model=module_of(factory), precision="float64")
    ours = trained([config], tmp_path)

    from regularize.distributed import Ranks
    from regularize.trainer import Trainer

    trainer = Trainer([config], PackPaths(tmp_path / "batches"), Ranks.here(), None)
    module = made[-1].double().train()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.02, momentum=0.9)
    for step in range(12):
        trainer.step = step
        x, labels = trainer.batches.take("train", trainer.step_batches.rows(trainer.step))
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(x[0]), labels[0]).backward()
        optimizer.step()
    for name, value in module.state_dict().items():
        torch.testing.assert_close(ours[name][0], value, rtol=0, atol=1e-12)


@pytest.mark.parametrize("model", [RESNET, BATCH_NORM])
def test_resumed_equals_uninterrupted_and_repeated_bitwise(model, tmp_path):
    """With everything but the Jacobian for batch normalisation, whose statistics have to survive too."""
    terms = tuple(term for term in ALL[0] if model == RESNET or term.technique != "jacobian")
    runs = [run(terms, 0, steps=16, model=model)]
    whole, again = trained(runs, tmp_path / "whole"), trained(runs, tmp_path / "again")
    steps = count(1)
    status = train_pack(runs, PackPaths(tmp_path / "parts"), stop=lambda: next(steps) == 9)
    assert status.state == "interrupted"
    resumed = trained(runs, tmp_path / "parts")
    for name, weight in whole.items():
        assert torch.equal(again[name], weight), f"{name} of a repeated pack"
        assert torch.equal(resumed[name], weight), f"{name} of a resumed pack"


def test_random_numbers_of_the_modules_own_are_replayed(module_of, tmp_path):
    name = module_of(
        lambda shape, classes: nn.Sequential(_small(shape, 20), nn.Dropout(), nn.Linear(20, classes))
    )
    whole = trained([run((), 0, steps=8, model=name)], tmp_path / "whole")
    steps = count(1)
    train_pack(
        [run((), 0, steps=8, model=name)], PackPaths(tmp_path / "parts"), stop=lambda: next(steps) == 3
    )
    torch.rand(7)
    resumed = trained([run((), 0, steps=8, model=name)], tmp_path / "parts")
    assert all(torch.equal(resumed[key], weight) for key, weight in whole.items())


def test_a_run_that_diverges_keeps_its_last_finite_parameters(tmp_path):
    config = run((), 0, steps=8, model=RESNET, lr=1e30)
    status = train_pack([config], PackPaths(tmp_path))
    assert (status.state, status.diverged) == ("done", (config.run_id,))
    weights = torch.load(PackPaths(tmp_path).weights, weights_only=True)["model"]
    assert all(weight.isfinite().all() for weight in weights.values())


def test_statistics_move_in_training_alone(module_of):
    name = module_of(lambda shape, classes: _small(shape, classes, nn.BatchNorm2d(4)))
    network = models.build(name, [0], shape=(1, 28, 28), classes=10).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    x = torch.randn(1, 6, 1, 28, 28) + 1
    network(x)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    network.train()(x)
    moved = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    assert moved == {"1.running_mean", "1.running_var", "1.num_batches_tracked"}


def test_jacobians_are_refused_where_a_batch_is_mixed(tmp_path):
    config = run((Term.build("jacobian", {"strength": 0.1}),), 0, steps=1, model=BATCH_NORM)
    with pytest.raises(
        UserError, match=r"jacobian needs .* layer 1 of model small_resnet:batch_norm .* GroupNorm"
    ):
        trained([config], tmp_path)


def test_dropout_acts_on_what_linear_layers_are_given():
    module = nn.Sequential(
        nn.Flatten(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3)
    )
    network = Foreign(module)
    seen = {}

    def hidden(layer, activations):
        seen[layer] = activations
        return activations * 0

    x = torch.randn(1, 5, 4)
    logits = network(x, hidden)
    assert network.hidden_layers == tuple(seen) == ("3", "5")
    torch.testing.assert_close(seen["3"][0], module[:3](x[0]))
    assert torch.equal(logits[0], module[5].bias.expand(5, 3))
    torch.testing.assert_close(network(x)[0], module(x[0]))


class Tokens(nn.Module):
    """Rows of an image as tokens, folded into the batch for one layer."""

    def __init__(self, shape, classes):
        super().__init__()
        self.head, self.mix = nn.Linear(6, classes), nn.Linear(6, 6)
        self.embed = nn.Linear(shape[2], 6)

    def forward(self, x):
        tokens = self.embed(x.flatten(1, 2))
        mixed = self.mix(tokens.flatten(0, 1)).view_as(tokens)
        return self.head(mixed.mean(1))


def test_hidden_layers_are_known_by_what_is_called_and_not_by_where_it_stands(module_of, tmp_path):
    """The first layer to be called is listed last here; one whose batch has tokens in it is refused."""
    name = module_of(Tokens)
    network = models.build(name, [0], shape=(1, 28, 28), classes=10)
    assert network.hidden_layers == ("mix", "head")
    assert network.folded_layers == ("mix",)
    with pytest.raises(UserError, match=r"dropout cannot act on layer 'mix' .* name others in `layers`"):
        trained([run((Term.build("dropout", {"p": 0.5}),), 0, steps=1, model=name)], tmp_path / "all")
    head = (Term.build("dropout", {"p": 0.5, "layers": ["head"]}),)
    weights = trained([run(head, 0, steps=2, model=name)], tmp_path / "head")
    plain = trained([run((), 0, steps=2, model=name)], tmp_path / "plain")
    assert not torch.equal(weights["head.weight"], plain["head.weight"])


def test_dropout_without_a_hidden_layer_is_not_silently_none(module_of, tmp_path):
    def softmax(shape, classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(shape[1] ** 2, classes))

    terms = (Term.build("dropout", {"p": 0.5}),)
    for factory in (softmax, Pooled):
        runs = [run(terms, 0, steps=1, model=module_of(factory))]
        with pytest.raises(UserError, match="dropout acts on hidden fully connected layers, and the model"):
            trained(runs, tmp_path)


class Pooled(nn.Module):
    """Only convolutions; a linear layer that is never called."""

    def __init__(self, shape, classes):
        super().__init__()
        self.conv, self.unused = nn.Conv2d(1, classes, 3), nn.Linear(3, 3)

    def forward(self, x):
        return self.conv(x).mean((2, 3))


@pytest.mark.parametrize(
    "normed",
    [
        torch.nn.utils.parametrizations.weight_norm,
        torch.nn.utils.parametrizations.orthogonal,
        torch.nn.utils.spectral_norm,
        lambda layer: torch.nn.utils.prune.random_unstructured(layer, "weight", 0.5),
    ],
)
def test_a_layer_that_computes_its_weight_is_refused(normed, module_of):
    """Penalties would skip it, or act on something else, and dropout on the pixels before it."""

    def factory(shape, classes):
        return nn.Sequential(nn.Flatten(), normed(nn.Linear(64, 20)), nn.ReLU(), nn.Linear(20, classes))

    with pytest.raises(UserError, match=r"computes the weight of layer '1' from other parameters"):
        models.build(module_of(factory), [0], shape=(1, 8, 8), classes=3)


def test_weights_are_views_of_what_the_module_computes_with():
    """Tied and frozen parameters, a weight that is not a layer's, and vectors called weight."""

    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.norm = nn.Linear(4, 4), nn.Linear(4, 4), nn.LayerNorm(4)
            self.second.weight = self.first.weight
            self.mixing_weight = nn.Parameter(torch.eye(4))
            self.frozen = nn.Linear(4, 4).requires_grad_(False)

        def forward(self, x):
            return self.norm(self.frozen(self.second(self.first(x)) @ self.mixing_weight))

    network = Foreign(Odd())
    assert {name: tuple(w.shape) for name, w in network.weights().items()} == {
        "mixing_weight": (1, 4, 4),
        "first.weight": (1, 4, 4),
    }
    x = torch.randn(1, 2, 4)
    before = network(x)
    with torch.no_grad():
        network.weights()["first.weight"].mul_(2)
    assert not torch.allclose(network(x), before)
    assert network.second.weight is network.first.weight
    assert "frozen.weight" not in dict(network.named_parameters())


def test_a_buffer_that_is_replaced_is_kept():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 2)
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x):
            self.calls = self.calls + 1
            return self.linear(x)

    network = Foreign(Counting())
    for _ in range(3):
        network(torch.randn(1, 4, 3))
    assert network.calls.tolist() == [3.0]


def test_initialisation_depends_on_the_seed_alone(module_of):
    name = module_of(_small)
    torch.manual_seed(1)
    first = models.build(name, [4], shape=(1, 8, 8), classes=3)
    torch.manual_seed(2)
    drawn = torch.rand(3)
    torch.manual_seed(2)
    again, other = (models.build(name, [seed], shape=(1, 8, 8), classes=3) for seed in (4, 5))
    assert torch.equal(torch.rand(3), drawn), "torch's own generator is as before"
    assert torch.equal(first.weights()["0.weight"], again.weights()["0.weight"])
    assert not torch.equal(first.weights()["0.weight"], other.weights()["0.weight"])


@pytest.mark.parametrize(
    ("factory", "wrong"),
    [
        (lambda shape, classes: "module", "returned 'module', but must return a torch.nn.Module"),
        (lambda shape, classes: nn.Flatten(), "has no weights to train"),
        (lambda shape, classes: _small(shape, 7), r"makes \(2, 7\) of 2 examples .*, but must make \(2, 3\)"),
    ],
)
def test_what_is_no_classifier_is_refused(module_of, factory, wrong):
    with pytest.raises(UserError, match=wrong):
        models.build(module_of(factory), [0], shape=(1, 8, 8), classes=3)


@pytest.mark.parametrize("name", ["no_such_module:build", "small_resnet:biuld"])
def test_what_cannot_be_imported_says_where_to_put_it(name):
    with pytest.raises(UserError, match=f"model {name} cannot be imported: .*PYTHONPATH"):
        models.build(name, [0], shape=(1, 8, 8), classes=3)


@pytest.mark.parametrize(
    "name", ["os", "os:", ":f", "a b:f", "a.b", "a:b.c", "a:b()", "a/b:c", "a..b:c", "1a:b", "a:b\n"]
)
def test_a_name_is_a_module_and_a_function(name):
    with pytest.raises(UserError, match="unknown model"):
        models.check_name(name)


def test_runs_of_a_foreign_module_are_never_packed():
    configs = [run(ALL[level], seed, steps=1, model=RESNET) for level in (0, 1) for seed in (0, 1)]
    assert len({config.pack_key for config in configs}) == 4
    packable = [run(ALL[level], seed, steps=1, model="mlp") for level in (0, 1) for seed in (0, 1)]
    assert len({config.pack_key for config in packable}) == 1
    assert RunConfig.from_json(configs[0].to_json()) == configs[0]
    with pytest.raises(AssertionError):
        train_pack(configs[:2], PackPaths(EXAMPLES))


def _small(shape, classes, norm=None):
    layers = [nn.Conv2d(shape[0], 4, 3, stride=3), norm or nn.Identity(), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(4 * (shape[1] // 3) ** 2, classes))
