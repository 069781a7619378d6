"""Elastic net: λ₁ Σ|w| + (λ₂/2) Σ w² over the weights, not the biases.

The strength `l1` acts as in `l1`, by a proximal step after each optimizer step, so that zeros are
exact; `l2` as in `l2`, through the gradient. Does nothing at λ₁ = λ₂ = 0, and at λ₁ = 0 or λ₂ = 0 what
the other one does alone.

Cost: 1.23 of a plain step.
Figures: `weight_distributions` (exact zeros), `spectra`.

References:
    Zou and Hastie, Regularization and variable selection via the elastic net, 2005.
"""

from __future__ import annotations

from torch import Tensor

from regularize.regularizers.hooks import Given, Hooks, Pass, StepEnd, Weights, sum_over_weights
from regularize.regularizers.l1 import shrink


def penalty(state: Pass, given: Given) -> Tensor:
    return given.strengths["l2"] / 2 * sum_over_weights(state.weights, Tensor.square)


def proximal(state: Pass, given: Given) -> Tensor:
    return given.strengths["l1"] * sum_over_weights(state.weights, Tensor.abs)


def after_step(weights: Weights, given: Given, end: StepEnd) -> None:
    shrink(weights, given, "l1", end)


HOOKS = Hooks(penalty=penalty, proximal=proximal, after_step=after_step)
