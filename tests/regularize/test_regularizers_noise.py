"""Dropout and the noises: what they draw, on what they act, and that they stay out of the weights."""

from __future__ import annotations

import math

import pytest
import torch

from regularize.config import Term
from regularize.draws import Draws
from regularize.objective import bind
from tests.regularize.cases import objective, run

PIXEL = torch.tensor([1 / 0.5, 1 / 0.25]).view(2, 1, 1)  # two channels of standard deviation 1/2 and 1/4


def bound(technique, *parameters):
    configs = [run((Term.build(technique, each),), seed, steps=1) for seed, each in enumerate(parameters)]
    (term,) = bind(configs, "cpu")
    return term


def draws(count, runs=1, dtype=torch.float32):
    return Draws(seeds=range(runs), step=0, global_batch=count, local=slice(None), dtype=dtype)


def test_dropout_drops_the_share_it_says_and_keeps_the_mean():
    term = bound("dropout", {"p": 0.25}, {"p": 0.5})
    factor = term.hooks.hidden("fc1", torch.ones(2, 200, 120), term.given, draws(200, runs=2))
    shares = (factor == 0).float().mean(dim=(1, 2))
    torch.testing.assert_close(shares, torch.tensor([0.25, 0.5]), rtol=0, atol=0.02)
    torch.testing.assert_close(factor.amax(dim=(1, 2)), torch.tensor([1 / 0.75, 2.0]))


@pytest.mark.parametrize(("layers", "dropped"), [("all", ["fc1", "fc2"]), (["fc2"], ["fc2"])])
def test_dropout_acts_on_the_layers_it_is_given(layers, dropped):
    term = bound("dropout", {"p": 0.5, "layers": layers})
    acts = [
        n
        for n in ("fc1", "fc2")
        if term.hooks.hidden(n, torch.ones(1, 4, 9), term.given, draws(4)) is not None
    ]
    assert acts == dropped


def test_dropout_reaches_the_network():
    module, loss, *_ = objective([run((Term.build("dropout", {"p": 0.9, "layers": ["fc2"]}),), 0, steps=1)])
    seen = {}
    module.model.fc3.link, through = (lambda h: seen.update(h=h) or through(h)), module.model.fc3.link
    loss()
    assert (seen["h"] == 0).double().mean() > 0.8


@pytest.mark.parametrize(("units", "spreads"), [("pixel", (0.4, 0.8)), ("normalised", (0.2, 0.2))])
@pytest.mark.parametrize(("distribution", "most"), [("normal", math.inf), ("uniform", math.sqrt(3))])
def test_input_noise_has_its_units_and_distribution(units, spreads, distribution, most):
    term = bound("input_noise", {"sigma": 0.2, "units": units, "distribution": distribution})
    noise = term.hooks.inputs(torch.zeros(1, 100, 2, 28, 28), PIXEL, term.given, draws(100))
    for channel, spread in enumerate(spreads):
        values = noise[:, :, channel] / spread
        assert values.std().item() == pytest.approx(1, rel=0.02)
        assert abs(values.mean().item()) < 0.02
        assert math.sqrt(3) * 0.99 < values.abs().max() <= most * (1 + 1e-6)


@pytest.mark.parametrize("units", ["absolute", "relative"])
@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_weight_noise_reaches_every_layer_and_stays_out_of_the_weights(units, distribution):
    term = Term.build("weight_noise", {"sigma": 0.1, "units": units, "distribution": distribution})
    module, loss, *_ = objective([run((term,), 0, steps=1)])
    before = {name: p.detach().clone() for name, p in module.model.named_parameters()}
    perturbed = module._instead(module.terms, draws(4, dtype=torch.float64), {})
    assert set(perturbed) == {f"{layer}.weight" for layer in module.model.weight_layers}
    for name, weight in perturbed.items():
        unit = before[name].square().mean().sqrt().item() if units == "relative" else 1
        assert (weight - before[name]).std().item() == pytest.approx(0.1 * unit, rel=0.3)
    loss().sum().backward()
    assert all(torch.equal(p, before[name]) for name, p in module.model.named_parameters())


def test_weight_noise_steps_with_the_gradient_at_the_noisy_weights():
    module, loss, x, labels = objective([run((Term.build("weight_noise", {"sigma": 0.1}),), 0, steps=1)])
    noisy = module._instead(module.terms, draws(4, dtype=torch.float64), {})
    ours = torch.autograd.grad(loss().sum(), module.model.fc2.weight)[0]
    plain, _, *_ = objective([run((), 0, steps=1)])
    with torch.no_grad():
        for name, weight in noisy.items():
            plain.model.get_parameter(name).copy_(weight)
    losses = plain(x, labels, draws(4, dtype=torch.float64), 1 / 4)
    there = torch.autograd.grad(losses.sum(), plain.model.fc2.weight)[0]
    torch.testing.assert_close(ours, there, rtol=1e-12, atol=0)
