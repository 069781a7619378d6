"""Techniques that act on the predicted distribution."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from regularize.config import Term
from regularize.regularizers.confidence_penalty import entropy
from tests.regularize.cases import objective, parameter_gradients, run


def configured(technique, **parameters):
    return [run((Term.build(technique, parameters),), 0, steps=1)]


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.7, 1.0])
def test_label_smoothing_is_torchs(epsilon):
    module, loss, x, labels = objective(configured("label_smoothing", epsilon=epsilon))
    expected = F.cross_entropy(module.model(x)[0], labels[0], label_smoothing=epsilon)
    torch.testing.assert_close(loss()[0], expected, rtol=1e-12, atol=0)


def test_confidence_penalty_is_minus_beta_times_the_entropy_of_torch():
    module, loss, x, labels = objective(configured("confidence_penalty", beta=0.3))
    logits = 20 * module.model(x)[0]  # so that predictions differ in confidence
    with torch.no_grad():
        module.model.fc3.weight *= 20
        module.model.fc3.bias *= 20
    entropies = torch.distributions.Categorical(logits=logits).entropy()
    expected = F.cross_entropy(logits, labels[0]) - 0.3 * entropies.mean()
    torch.testing.assert_close(loss()[0], expected, rtol=1e-10, atol=0)


def test_the_hinge_acts_on_the_examples_below_the_threshold_alone():
    module, _, x, labels = objective(configured("confidence_penalty", beta=0.3))
    with torch.no_grad():
        module.model.fc3.weight *= 20
        module.model.fc3.bias *= 20
    logits = module.model(x)[0]
    entropies = torch.distributions.Categorical(logits=logits).entropy()
    threshold = entropies.mean().item()  # some are below it, some above
    runs = configured("confidence_penalty", beta=0.3, threshold=threshold)
    _, loss, *_ = objective(runs, model=module.model)
    expected = F.cross_entropy(logits, labels[0]) + 0.3 * (threshold - entropies).clamp(min=0).mean()
    torch.testing.assert_close(loss()[0], expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize("threshold", ["none", 3.0])
def test_confidence_is_penalised_not_rewarded(threshold):
    """A step down the penalty's gradient raises the entropy: the sign that is easily flipped."""
    module, loss, x, _ = objective(configured("confidence_penalty", beta=1.0, threshold=threshold))
    _, plain, *_ = objective([run((), 0, steps=1)], model=module.model)
    before = entropy(F.log_softmax(module.model(x), -1)).mean()
    gradients = parameter_gradients(module, loss() - plain())
    with torch.no_grad():
        for name, parameter in module.model.named_parameters():
            parameter -= 1e-2 * gradients[name]
    assert entropy(F.log_softmax(module.model(x), -1)).mean() > before


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e2, 1e4, 3e38])
def test_entropy_of_certain_predictions_is_zero_with_a_finite_gradient(dtype, scale):
    """p·log p where p underflows to 0 and log p may be −∞."""
    logits = torch.tensor([[[scale, -scale, 0.0], [0.0, 0.0, 0.0]]], dtype=dtype, requires_grad=True)
    found = entropy(F.log_softmax(logits, -1))
    found.sum().backward()
    torch.testing.assert_close(found, torch.tensor([[0.0, math.log(3)]], dtype=dtype))
    assert logits.grad.isfinite().all()
