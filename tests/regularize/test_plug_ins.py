"""Techniques and data of one's own: found, held to the contract, refused in words."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from importlib.metadata import EntryPoint, EntryPoints
from types import ModuleType

import numpy as np
import pytest
import torch

from regularize import named_objects, regularizers
from regularize.config import Term
from regularize.data import load
from regularize.errors import UserError
from regularize.regularizers import Strength, Technique
from regularize.regularizers.hooks import Hooks, sum_over_weights
from regularize.testing import check_technique
from tests.regularize.cases import objective, parameter_gradients, run, trained
from tests.regularize.model_cases import EXAMPLES, RESNET, TABLE


@pytest.fixture(autouse=True)
def _examples(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)


# name in the example → how it is tried
OWN = {
    "GRADIENT_NORM": {"weak": {"strength": 0.1}, "strong": {"strength": 1}, "zero": {"strength": 0}},
    "BRIGHTNESS": {"weak": {"by": 0.1}, "strong": {"by": 0.5}, "zero": {"by": 0}},
    "GRADIENT_NOISE": {"weak": {"sigma": 0.01}, "strong": {"sigma": 0.1}, "zero": {"sigma": 0}},
}
ON_IMAGES = {"BRIGHTNESS": {"model": "mlp", "data": "digits", "smooth": "lenet5_tanh"}}
# What the loss's gradient is differentiated through: layers of ten outputs, convolutions, normalisation.
TWICE = [
    {"model": "mlp", "data": "digits"},
    {"model": "lenet5", "data": "digits"},
    {"model": "resnet8", "data": "digits", "resize": 8},
]


def test_every_example_is_tried():
    module = import_module("own_techniques")
    assert {name for name, each in vars(module).items() if isinstance(each, Technique)} == set(OWN)


@pytest.mark.parametrize("name", OWN)
def test_the_examples_keep_the_contract(name):
    check_technique(f"own_techniques:{name}", **OWN[name], **ON_IMAGES.get(name, {}))


@pytest.mark.parametrize(
    ("hook", "what"),
    [("penalty", r"a tensor of \[\]"), ("proximal", r"a tensor of \[3, 4\]"), ("penalty", "float")],
)
def test_a_penalty_that_is_no_number_for_each_run_is_refused(hook, what, monkeypatch):
    """One sum over all of them would train to its end, and differ packed and alone."""

    def wrong(state, given):
        each = given.strengths["strength"].unsqueeze(1) * state.logits.square().mean(2)
        return {r"a tensor of \[\]": each.sum(), "float": 1.0}.get(what, each)

    module = ModuleType("someones")
    strengths = {"strength": Strength(meaning="λ")}
    module.X = Technique("X", strengths=strengths, hooks=Hooks(**{hook: wrong}))
    monkeypatch.setitem(sys.modules, "someones", module)
    terms = (Term.build("someones:X", {"strength": 0.1}),)
    _, losses, *_ = objective([run(terms, seed, steps=1, model="mlp") for seed in (0, 1, 2)])
    message = rf"wrong returned {what}, but must .* each of the 3 runs, \[3\] \(.*test_plug_ins.py:\d+\)"
    with pytest.raises(UserError, match=message):
        losses()


@pytest.mark.parametrize("settings", TWICE, ids=lambda settings: settings["model"])
def test_what_differentiates_by_the_weights_keeps_it_on_networks_of_images(settings):
    check_technique("own_techniques:GRADIENT_NORM", **OWN["GRADIENT_NORM"], **settings, smooth=None)


# As on a processor without AVX-512; in a process of its own, as libraries look at the processor once.
ALONE_AND_PACKED = """
import os
import subprocess
import sys
import torch
from regularize import run_by_run
from regularize.config import Term
from tests.regularize.cases import run, trained
from pathlib import Path

run_by_run.ANY_NUMBER = False
torch.set_num_threads(1)
folder = Path(sys.argv[1])
for model, settings in (("lenet5", {"batch_size": 13}), ("resnet8", {"batch_size": 7, "resize": 8})):
    terms = (Term.build("own_techniques:GRADIENT_NORM", {"strength": 0.5}),)
    made = [(terms, seed) for seed in range(3)]
    runs = [run(*each, steps=2, per_class=4, data="digits", model=model, **settings) for each in made]
    together = trained(runs, folder / model)
    for place, each in enumerate(runs):
        for name, weight in trained([each], folder / f"{model} {place}").items():
            assert torch.equal(weight[0], together[name][place]), (model, name, place)
"""


def test_so_it_does_on_processors_whose_kernels_hang_on_the_number_of_runs(tmp_path):
    held = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    environment = os.environ | held | {"PYTHONPATH": str(EXAMPLES)}
    subprocess.run([sys.executable, "-c", ALONE_AND_PACKED, str(tmp_path)], env=environment, check=True)


def test_so_it_does_beside_other_techniques_at_odd_places_and_batches(tmp_path):
    """Whole epochs whose last batch is odd, in a pack of five, beside what draws and what passes twice."""
    beside = (Term.build("dropout", {"p": 0.2}), Term.build("gradient_penalty", {"strength": 0.05}))
    terms = [(Term.build("own_techniques:GRADIENT_NORM", {"strength": s}), *beside) for s in (0.1, 1.0)]
    for batch_size in (7, 13):
        settings = {"steps": 8, "per_class": 3, "batch_size": batch_size, "model": "mlp"}
        runs = [run(terms[seed % 2], seed, **settings) for seed in range(5)]
        together = trained(runs, tmp_path / f"{batch_size}")
        for position, each in enumerate(runs):
            for name, weight in trained([each], tmp_path / f"{batch_size} {position}").items():
                assert torch.equal(weight[0], together[name][position]), (name, position, batch_size)


def test_what_breaks_the_contract_is_named(monkeypatch):
    """The trap of a penalty that is detached: its strength would change nothing."""

    def penalty(state, given):
        return given.strengths["strength"] * sum_over_weights(state.weights, torch.square).detach()

    row = Technique("X", strengths={"strength": Strength(meaning="λ")}, hooks=Hooks(penalty=penalty))
    module = ModuleType("someones")
    module.X = row
    monkeypatch.setitem(sys.modules, "someones", module)
    monkeypatch.setattr("regularize.testing.train_by_ranks", lambda *_: None)
    monkeypatch.setattr("regularize.testing.two_ranks_are_one", lambda *_: None)
    checks = {name: c for name, c in sys.modules["regularize.testing"].CHECKS.items() if "ranks" not in name}
    monkeypatch.setattr("regularize.testing.CHECKS", checks)
    with pytest.raises(AssertionError, match="someones:X: strengths act, but not here: the technique has no"):
        check_technique("someones:X", weak={"strength": 0.1}, strong={"strength": 1})


@pytest.mark.parametrize("model", [*sorted(set(TABLE) - {"resnet20"}), RESNET])
def test_the_loss_is_differentiated_by_the_weights_of_every_model(model):
    """The penalty's gradient is λ·H·∇L, here by differences of ∇L along itself."""
    settings = {"steps": 1, "model": model, **TABLE.get(model, {"data": "digits"})}
    terms = (Term.build("own_techniques:GRADIENT_NORM", {"strength": 1.0}),)
    runs = [run(terms, seed, **settings) for seed in (0, 1)]
    plain = [run((), seed, **settings) for seed in (0, 1)]
    module, loss, *_ = objective(runs)
    bare, bare_loss, *_ = objective(plain, model=module.model)
    slopes = parameter_gradients(bare, bare_loss())
    found = parameter_gradients(module, loss())
    named = dict(module.model.named_parameters())

    def along(distance):
        with torch.no_grad():
            for name in module.model.weights():
                named[name] += distance * slopes[name]
        moved = parameter_gradients(bare, bare_loss())
        with torch.no_grad():
            for name in module.model.weights():
                named[name] -= distance * slopes[name]
        return moved

    distance = 1e-7  # so short that no unit of theirs is switched on or off on the way
    there, back = along(distance), along(-distance)
    for name in named:
        expected = slopes[name] + (there[name] - back[name]) / (2 * distance)
        torch.testing.assert_close(found[name], expected, rtol=1e-4, atol=1e-6)


def test_a_package_gives_its_techniques_short_names(monkeypatch):
    point = EntryPoint("gradient_norm", "own_techniques:GRADIENT_NORM", "regularize.techniques")
    monkeypatch.setattr(named_objects, "entry_points", lambda group: EntryPoints([point]))
    named_objects.installed.cache_clear()
    try:
        assert Term.build("gradient_norm", {"strength": 1}).technique == "own_techniques:GRADIENT_NORM"
        with pytest.raises(
            UserError, match=r"unknown regularizer 'gradient_nrom'.* did you mean 'gradient_norm'"
        ):
            regularizers.technique("gradient_nrom")
    finally:
        named_objects.installed.cache_clear()


def test_data_of_a_function_are_what_it_returned_until_its_source_changes(tmp_path, monkeypatch):
    # Python takes bytes that it compiled in the same second, of a source as long, for those of the new one.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(tmp_path)
    text = (EXAMPLES / "own_data.py").read_text(encoding="utf-8")
    (tmp_path / "stripes_here.py").write_text(text, encoding="utf-8")
    found = load("stripes_here:stripes", tmp_path / "data")
    own = __import__("own_data").stripes()
    assert np.array_equal(found.train_images[..., 0].numpy(), own[0][0])
    assert (found.classes, found.shape, found.class_names) == (4, (1, 12, 12), own[2])
    (tmp_path / "stripes_here.py").write_text(
        text.replace("RandomState(0)", "RandomState(1)"), encoding="utf-8"
    )
    monkeypatch.delitem(sys.modules, "stripes_here")
    sys.modules["regularize.data.functions"]._called.cache_clear()
    assert load("stripes_here:stripes", tmp_path / "data").content_hash != found.content_hash


WRONG = [
    (lambda: 3, "returned int, but must return"),
    (lambda: (([1.0], [0]), ([1.0], [0])), r"training images are float64 \[1\], but must be uint8"),
    (lambda: 1 / 0, r"cannot be made: ZeroDivisionError: .* \(.*test_plug_ins.py:\d+\)"),
]


@pytest.mark.parametrize(("function", "message"), WRONG)
def test_a_function_that_returns_no_data_is_refused(function, message, tmp_path, monkeypatch):
    module = ModuleType("someones_data")
    module.make = function
    monkeypatch.setitem(sys.modules, "someones_data", module)
    sys.modules["regularize.data.functions"]._called.cache_clear()
    with pytest.raises(UserError, match=message):
        load("someones_data:make", tmp_path)


def test_only_hooks_say_how_weights_start_with_a_plug_in():
    """What is said beside them trains nothing, and would make two trainings one run."""
    assert Technique("mine", start="orthogonal", hooks=Hooks()).start == "default"
    assert Technique("mine", hooks=Hooks(start=lambda *_: None)).start == "own"
