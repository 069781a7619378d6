"""Modules without the run axis: the example's small ResNet, and modules with what others may have."""

from __future__ import annotations

import sys
from functools import partial
from importlib.machinery import ModuleSpec
from itertools import count
from types import ModuleType

import pytest
import torch
import torch.nn.utils.prune
from torch import nn
from torch.utils.checkpoint import checkpoint

from regularize import models
from regularize.config import RunConfig, Term
from regularize.distributed import Ranks
from regularize.draws import Draws
from regularize.errors import UserError
from regularize.models.foreign import Foreign
from regularize.own_trial import tried
from regularize.rng import generator, seed_torch
from regularize.store import PackPaths, read_table
from regularize.train_pack import train_pack
from regularize.trainer import Trainer
from tests.regularize.cases import each, run, together, trained
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


def test_a_step_seeds_the_generators_of_its_device_and_looks_for_no_other(module_of, monkeypatch):
    name = module_of(lambda shape, classes: _small(shape, classes))
    network = models.build(name, [3], shape=(1, 8, 8), classes=3)
    seeds = []
    monkeypatch.setattr(torch, "manual_seed", lambda _: pytest.fail("it looks for all kinds of devices"))
    monkeypatch.setattr(torch.cuda, "manual_seed", seeds.append)
    draws = Draws(seeds=[3], step=4, global_batch=2, local=slice(0, 2))
    for _ in range(2):
        with network.in_training(draws, Ranks.here(), counts=True):
            network(torch.ones(1, 2, 1, 8, 8))
            found = torch.rand(3)
    network(torch.ones(1, 2, 1, 8, 8))
    expected = torch.Generator().manual_seed(generator(3, "module/0", 4).initial_seed())
    assert torch.equal(found, torch.rand(3, generator=expected)), "it is as if torch were seeded"
    assert not seeds
    seed_torch(5, torch.device("cuda", 0))
    assert seeds == [5]


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


class Worded(nn.Module):
    """Calls its layers by words alone."""

    def __init__(self, shape, classes):
        super().__init__()
        self.first, self.head = nn.Linear(shape[1] ** 2, 6), nn.Linear(6, classes)

    def forward(self, x):
        return self.head(input=torch.relu(self.first(input=x.flatten(1))))


def test_layers_that_are_called_by_words_alone_are_seen_as_others_are(module_of):
    network = models.build(module_of(Worded), [0], shape=(1, 8, 8), classes=10)
    assert (network.hidden_layers, network.folded_layers) == (("head",), ())
    logits = network(torch.rand(1, 5, 1, 8, 8), lambda _, activations: 0 * activations)
    assert torch.equal(logits[0], network.get_parameter("head.bias")[0].expand(5, 10))


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


COMPUTING = {
    "weight_norm": torch.nn.utils.parametrizations.weight_norm,
    "weight_norm_hook": torch.nn.utils.weight_norm,
    "orthogonal": torch.nn.utils.parametrizations.orthogonal,
    "spectral_norm": torch.nn.utils.parametrizations.spectral_norm,
    "spectral_norm_hook": torch.nn.utils.spectral_norm,
    "pruned": lambda layer: torch.nn.utils.prune.random_unstructured(layer, "weight", 0.75),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
@pytest.mark.parametrize("normed", COMPUTING)
def test_a_computed_weight_is_penalised_and_measured_as_computed(normed, module_of, tmp_path):
    """Against torch's own loop over module and penalty, in float64; what would write to it is refused."""
    made = []

    def factory(shape, classes):
        first = COMPUTING[normed](nn.Conv2d(1, 3, 5, stride=4))
        made.append(nn.Sequential(first, nn.ReLU(), nn.Flatten(), nn.Linear(108, classes)))
        return made[-1]

    name = module_of(factory)
    settings = {"steps": 6, "lr": 0.02, "precision": "float64", "model": name}
    config = run((Term.build("l2", {"strength": 0.3}),), 3, **settings)
    ours = trained([config], tmp_path)
    trainer = Trainer([config], PackPaths(tmp_path / "batches"), Ranks.here(), None)
    module = made[-1].double().train()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.02, momentum=0.9)
    for step in range(6):
        trainer.step = step
        x, labels = trainer.batches.take("train", trainer.step_batches.rows(trainer.step))
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(module(x[0]), labels[0])
        module.eval()  # the weight as this pass has left it: spectral norms iterate in training
        penalty = sum(layer.weight.square().sum() for layer in (module[0], module[3]))
        module.train()
        (loss + 0.15 * penalty).backward()
        optimizer.step()
    for key, value in module.state_dict().items():
        torch.testing.assert_close(ours[key][0], value, rtol=0, atol=1e-12)
    (results,) = read_table(PackPaths(tmp_path).results).to_pylist()
    module.eval()(x[0])
    weights = torch.cat([module[0].weight.flatten(), module[3].weight.flatten()])
    assert results["weight_norm"] == pytest.approx(weights.norm().item(), rel=1e-9)
    assert results["sparsity"] == pytest.approx((weights == 0).double().mean().item())
    assert (results["sparsity"] > 0) == (normed == "pruned")

    for technique in ("hard_svb", "l1", "weight_noise"):
        terms = (Term.build(technique, TECHNIQUES[technique]),)
        with pytest.raises(UserError, match=rf"{technique} changes weights in place, but .* 0\.weight"):
            trained([run(terms, 0, **settings)], tmp_path / technique)
    with pytest.raises(UserError, match="weight_decay changes weights in place"):
        trained([run((), 0, **settings, optimizer="adamw", weight_decay=0.1)], tmp_path / "decayed")


class Parts(nn.Module):
    """One of everything whose weights have odd names, or none."""

    def __init__(self, shape, classes):
        super().__init__()
        self.head = nn.Linear(6, classes)
        self.lstm = nn.LSTM(shape[2], 3, num_layers=2, bidirectional=True)
        self.attention = nn.MultiheadAttention(6, 2)
        self.norm, self.images = nn.LayerNorm((shape[1], 6)), nn.LayerNorm((shape[1], shape[2]))
        self.scale_weight = nn.Parameter(torch.ones(1, 6, 1))
        self.mixing_weight = nn.Parameter(torch.eye(6))
        self.places = nn.Parameter(torch.zeros(shape[1], 6))

    def forward(self, x):
        rows = self.images(x)[:, 0].transpose(0, 1)
        tokens = self.lstm(rows)[0] @ self.mixing_weight + self.places.unsqueeze(1)
        tokens = self.norm(self.attention(tokens, tokens, tokens)[0].transpose(0, 1))
        return self.head(tokens.mean(1) * self.scale_weight[0, :, 0])


def test_weights_are_told_by_the_type_of_layers(module_of, tmp_path):
    """Decayed and measured alike: AdamW with a decay against AdamW without, after one step in float64."""
    name = module_of(Parts)
    network = models.build(name, [0], shape=(1, 28, 28), classes=10)
    of_lstm = [
        f"weight_{kind}_l{level}{way}"
        for kind in ("ih", "hh")
        for level in (0, 1)
        for way in ("", "_reverse")
    ]
    matrices = {"mixing_weight", "head.weight", "attention.in_proj_weight", "attention.out_proj.weight"}
    matrices |= {f"lstm.{each}" for each in of_lstm}
    assert set(network.weights()) == matrices
    assert {"scale_weight", "places", "norm.weight", "images.weight"} <= set(network.rule.left)
    assert network.output_layer == network.weight_layers[-1] == "head", "called last, registered first"
    settings = {"steps": 1, "model": name, "precision": "float64", "optimizer": "adamw"}
    decayed = trained([run((), 0, **settings, weight_decay=10.0)], tmp_path / "decayed")
    plain = trained([run((), 0, **settings)], tmp_path / "plain")
    start = network.double().state_dict()
    for key, value in plain.items():
        lost = 0.02 * 10.0 * start[key] * (key in matrices)
        torch.testing.assert_close(value - decayed[key], lost, rtol=0, atol=1e-12)
    (results,) = read_table(PackPaths(tmp_path / "plain").results).to_pylist()
    measured = torch.cat([plain[key].flatten() for key in matrices])
    assert results["weight_norm"] == pytest.approx(measured.norm().item())


@pytest.mark.parametrize("form", ["cached", "channels_last", "lazy"])
def test_a_module_handed_out_twice_or_laid_out_otherwise_trains_as_any_other(form, module_of, tmp_path):
    """Against the same module made anew, with what is written to weights in place, bit for bit."""
    made = []

    def plain(shape, classes):
        torch.manual_seed(7)
        return _small(shape, classes, nn.BatchNorm2d(4))

    def odd(shape, classes):
        torch.manual_seed(7)
        if form == "lazy":
            layers = [nn.LazyConv2d(4, 3, stride=3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten()]
            return nn.Sequential(*layers, nn.LazyLinear(classes))
        if form == "channels_last" or not made:
            made.append(plain(shape, classes))
        return made[-1].to(memory_format=torch.channels_last) if form == "channels_last" else made[0]

    terms = tuple(Term.build(name, TECHNIQUES[name]) for name in ("l1", "hard_svb"))
    left = {}
    for name, factory in (("plain", plain), ("odd", odd)):
        for seed in (0, 1):
            config = run(terms, seed, steps=5, model=module_of(factory))
            left[name, seed] = trained([config], tmp_path / f"{name}{seed}")
    for seed in (0, 1):
        for key, value in left["plain", seed].items():
            assert torch.equal(left["odd", seed][key], value), (seed, key)
    values = torch.linalg.svdvals(left["odd", 1]["0.weight"][0].flatten(1))
    assert 1 / 1.1 - 1e-5 <= values.min() <= values.max() <= 1.1 + 1e-5
    if form == "cached":
        fresh = plain((1, 28, 28), 10).state_dict()
        assert all(torch.equal(value, fresh[key]) for key, value in made[0].state_dict().items())
        assert not made[0][0]._forward_hooks
        assert not made[0][4]._forward_pre_hooks


def test_evaluation_draws_from_the_runs_own_stream(module_of, tmp_path):
    class Noisy(nn.Module):
        def __init__(self, shape, classes):
            super().__init__()
            self.linear = nn.Linear(shape[1] * shape[2], classes)

        def forward(self, x):
            return self.linear(nn.functional.dropout(x.flatten(1), 0.5, training=True))

    name, losses = module_of(Noisy), []
    for folder in ("one", "other"):
        torch.rand(3)
        trained([run((), 0, steps=3, model=name)], tmp_path / folder)
        losses += [row["test_loss"] for row in read_table(PackPaths(tmp_path / folder).results).to_pylist()]
    assert losses[0] == losses[1]
    network = models.build(name, [0], shape=(1, 28, 28), classes=10).eval()
    before, x = torch.get_rng_state(), torch.zeros(1, 5, 1, 28, 28) + 1
    assert torch.equal(network(x), network(x))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("factory", "wrong"),
    [
        (lambda: nn.Flatten(), r"cannot be built: TypeError: .* takes 0 positional arguments"),
        (lambda shape, classes: 1 / 0, r"cannot be built: ZeroDivisionError: division by zero"),
        (lambda shape, classes: sys.exit(0), r"cannot be built: SystemExit: 0"),
        (lambda shape, classes: nn.Linear(3, classes), r"fails on examples: RuntimeError: mat1 and mat2 .*"),
        (lambda shape, classes: nn.LSTM(28, classes), r"fails on examples: .*"),
        (lambda shape, classes: Secretive(), r"keeps state beside .* of layer 'inner'"),
    ],
)
def test_errors_of_someone_elses_module_are_one_line_with_its_place(factory, wrong, module_of):
    with pytest.raises(UserError, match=wrong) as error:
        models.build(module_of(factory), [0], shape=(1, 28, 28), classes=3)
    assert "\n" not in str(error.value)
    assert "Secretive" in wrong or "inner" in wrong or "test_foreign.py:" in str(error.value)


def test_what_is_computed_again_in_the_backward_pass_is_refused(module_of, tmp_path):
    """It would be so with the weights that the module was made with."""

    class Checkpointed(nn.Module):
        def __init__(self, shape, classes):
            super().__init__()
            self.first, self.last = nn.Linear(shape[1] * shape[2], 8), nn.Linear(8, classes)

        def forward(self, x):
            return self.last(checkpoint(self.first, x.flatten(1), use_reentrant=False))

    config = run((), 0, steps=2, model=module_of(Checkpointed))
    with pytest.raises(UserError, match="computes layers again in the backward pass"):
        trained([config], tmp_path)
    assert "computes layers again" in tried([config], (1, 28, 28), 10, packs=False).error


@pytest.mark.parametrize("drawn", ["forward", "backward"])
def test_what_runs_would_draw_together_trains_alone(drawn, module_of, tmp_path):
    class Drawing(nn.Module):
        def __init__(self, shape, classes):
            super().__init__()
            self.linear = nn.Linear(shape[1] * shape[2], classes)

        def forward(self, x):
            if drawn == "forward":
                return self.linear(x.flatten(1)[:, torch.randperm(784)] if self.training else x.flatten(1))
            return NoisyGradient.apply(self.linear(x.flatten(1)))

    pair = [run((), seed, steps=2, model=module_of(Drawing)) for seed in (0, 1)]
    found = tried(pair[:1], (1, 28, 28), 10, packs=True)
    assert not found.error
    assert "runs side by side would share them" in found.alone
    if drawn == "forward":
        with pytest.raises(UserError, match="draws random numbers by randperm"):
            trained(pair, tmp_path)


class NoisyGradient(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x.clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, slope):
        return slope + torch.randn_like(slope)


def test_a_frozen_tensor_in_two_places_is_one(module_of, tmp_path):
    def factory(shape, classes):
        module = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 8), nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 10)
        )
        module[2].requires_grad_(False)
        module[3].weight = module[2].weight
        module[2].register_buffer("shared", torch.zeros(3))
        module[3].register_buffer("shared", module[2].shared)
        return module

    name = module_of(factory)
    start = models.build(name, [0], shape=(1, 28, 28), classes=10).state_dict()
    left = trained([run((), 0, steps=2, model=name, precision="float64")], tmp_path)
    assert torch.equal(left["2.weight"], start["2.weight"].double())
    assert not torch.equal(left["3.bias"], start["3.bias"].double())


class Secretive(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = type("Inner", (nn.Linear,), {"get_extra_state": lambda self: {}})(3, 3)


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


def test_runs_of_a_foreign_module_are_packed_where_that_is_asked_for():
    configs = [run(ALL[level], seed, steps=1, model=RESNET) for level in (0, 1) for seed in (0, 1)]
    assert len({config.pack_key for config in configs}) == 4
    assert len({config.shared_key for config in configs}) == 1
    packable = [run(ALL[level], seed, steps=1, model="mlp") for level in (0, 1) for seed in (0, 1)]
    assert {config.pack_key for config in packable} == {packable[0].shared_key}
    assert RunConfig.from_json(configs[0].to_json()) == configs[0]


@pytest.mark.parametrize("model", [RESNET, BATCH_NORM, "dropping"])
def test_packed_equals_alone(model, module_of, tmp_path):
    """Through vmap, with techniques of every kind, statistics and draws of each run's own, in float64."""
    if model == "dropping":
        model = module_of(
            lambda shape, classes: nn.Sequential(_small(shape, 20), nn.Dropout(), nn.Linear(20, classes))
        )
    extra = together(each("spatial_dropout", "p", 0.1, 0.3), each("mixup", "alpha", 0.2, 0.4))
    levels = [
        tuple(t for t in (*terms, *more) if model == RESNET or t.technique != "jacobian")
        for terms, more in zip(ALL, extra, strict=True)
    ]
    settings = {"steps": 8, "model": model, "precision": "float64"}
    runs = [run(levels[0], 0, **settings), run(levels[1], 0, **settings), run(levels[1], 1, **settings)]
    packed = trained(runs, tmp_path / "packed")
    rows = read_table(PackPaths(tmp_path / "packed").results).to_pylist()
    for position, config in enumerate(runs):
        alone = trained([config], tmp_path / str(position))
        for name, value in alone.items():
            torch.testing.assert_close(packed[name][position], value[0], rtol=0, atol=1e-9)
        (row,) = read_table(PackPaths(tmp_path / str(position)).results).to_pylist()
        mine = next(each for each in rows if each["run_id"] == config.run_id)
        assert mine["test_loss"] == pytest.approx(row["test_loss"], abs=1e-9)
        assert mine["kernels"] == row["kernels"] + ", side by side by torch.func.vmap"


def test_a_large_resnet_packed_equals_alone(module_of):
    """Torchvision's resnet18 at 32×32, two steps of SGD in float64."""
    from torchvision.models import resnet18

    name = module_of(lambda shape, classes: resnet18(num_classes=classes))
    build = partial(models.build, name, shape=(3, 32, 32), classes=10)
    networks = [network.double() for network in (build([0, 1]), build([0]), build([1]))]
    source = torch.Generator().manual_seed(0)
    for _ in range(2):
        x = torch.randn(2, 4, 3, 32, 32, generator=source, dtype=torch.float64)
        for network, own in zip(networks, (x, x[:1], x[1:]), strict=True):
            logits = network.train()(own)
            gradients = torch.autograd.grad(logits.log_softmax(-1)[..., 3].sum(), list(network.parameters()))
            with torch.no_grad():
                for parameter, gradient in zip(network.parameters(), gradients, strict=True):
                    parameter.add_(gradient, alpha=0.001)
    packed, *alone = (network.state_dict() for network in networks)
    assert len(packed) == 122
    for name, value in packed.items():
        for position in (0, 1):
            torch.testing.assert_close(value[position], alone[position][name][0], rtol=0, atol=1e-9)


def _small(shape, classes, norm=None):
    layers = [nn.Conv2d(shape[0], 4, 3, stride=3), norm or nn.Identity(), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(4 * (shape[1] // 3) ** 2, classes))


def test_recurrent_layers_have_no_kernels_of_cudnn_which_has_no_gradient_in_evaluation(module_of, tmp_path):
    seen = []

    class Noting(nn.GRU):
        def forward(self, *given):
            seen.append(torch.backends.cudnn.enabled)
            return super().forward(*given)

    class Rows(nn.Module):
        def __init__(self, shape, classes):
            super().__init__()
            self.rows, self.out = Noting(shape[2], 4, batch_first=True), nn.Linear(4, classes)

        def forward(self, x):
            found = self.rows(x[:, 0])[0].mean(1)
            seen.append(torch.backends.cudnn.enabled)
            return self.out(found)

    trained([run((), 0, steps=2, model=module_of(Rows))], tmp_path)
    assert seen[::2] == [False] * (len(seen) // 2), "in its own layers"
    assert seen[1::2] == [True] * (len(seen) // 2), "and nowhere else"
    network = models.build(module_of(Rows), [0], shape=(1, 28, 28), classes=10)
    with pytest.raises(ValueError, match="to be 2D or 3D"):
        network(torch.zeros(1, 2, 1, 28, 28, 28))
    assert torch.backends.cudnn.enabled


def test_images_of_one_channel_lie_as_those_of_several_do(module_of):
    """With channels last, oneDNN's 1×1 convolutions of stride 2 write beyond their memory in threads."""
    seen = []

    class Noting(nn.Module):
        def __init__(self, shape, classes):
            super().__init__()
            self.out = nn.Linear(shape[1] * shape[2], classes)

        def forward(self, x):
            seen.append(x.stride())
            return self.out(x.flatten(1))

    network = models.build(module_of(Noting), [0], shape=(1, 6, 5), classes=3)
    network(torch.zeros(1, 4, 6, 5, 1).movedim(-1, 2))
    assert seen[-1] == torch.zeros(4, 1, 6, 5).stride()
