"""L1 (lasso): λ Σ|w| over the weights, not the biases.

Applied as a proximal step after each optimizer step, w ← sign(w)·max(|w| − τ, 0), so that zeros are
exact; the subgradient of |w| leaves weights hovering around zero. τ = λ·s, s being what a gradient that
stays 1 moves the weight by in such a step: η with plain SGD, η/(1−m) with momentum m, η/(√v̂ + ε) of each
weight with Adam and AdamW. Where training comes to rest, s cancels: |∂CE/∂w| = λ at weights that are not 0
and at most λ at those that are, the minimum of CE + λ Σ|w| whatever the optimizer (AdamW's own
weight decay comes on top). Does nothing at λ = 0.

Cost: 1.14 of a plain step.
Figures: `weight_distributions` (exact zeros), `spectra`, `strength_sensitivity`.

References:
    Tibshirani, Regression shrinkage and selection via the lasso, 1996.
    Parikh and Boyd, Proximal algorithms, 2014, section 6.5.2.
    In the metric of an adaptive optimizer: Yun, Lozano, Yang, Adaptive proximal gradient methods for
    structured neural networks, 2021.
"""

from __future__ import annotations

from torch import Tensor

from regularize.regularizers.hooks import Given, Hooks, Pass, StepEnd, Weights, sum_over_weights


def proximal(state: Pass, given: Given) -> Tensor:
    return given.strengths["strength"] * sum_over_weights(state.weights, Tensor.abs)


def after_step(weights: Weights, given: Given, end: StepEnd) -> None:
    shrink(weights, given, "strength", end)


def shrink(weights: Weights, given: Given, name: str, end: StepEnd) -> None:
    """The proximal step of λ Σ|w|, λ being the strength `name`, in place."""
    for key, weight in weights.items():
        threshold = end.reach(key) * given.over(name, weight)
        weight.copy_(weight.sign() * (weight.abs() - threshold).clamp_(min=0))


HOOKS = Hooks(proximal=proximal, after_step=after_step)
