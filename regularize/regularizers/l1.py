"""L1 (lasso): λ Σ|w| over the weights, not the biases.

Applied as a proximal step after each optimizer step, w ← sign(w)·max(|w| − ηλ, 0) with the
step's learning rate η, so that zeros are exact; the subgradient of |w| leaves weights hovering
around zero. Does nothing at λ = 0.

References:
    Tibshirani, Regression shrinkage and selection via the lasso, 1996.
    Parikh and Boyd, Proximal algorithms, 2014, section 6.5.2.
"""

from __future__ import annotations

from regularize.regularizers.hooks import Given, Hooks, StepEnd, Weights


def after_step(weights: Weights, given: Given, end: StepEnd) -> None:
    shrink(weights, given, "strength", end.lr)


def shrink(weights: Weights, given: Given, name: str, rate: float) -> None:
    """The proximal step of λ Σ|w|, λ being the strength `name`, in place."""
    for weight in weights.values():
        threshold = rate * given.over(name, weight)
        weight.copy_(weight.sign() * (weight.abs() - threshold).clamp_(min=0))


HOOKS = Hooks(after_step=after_step)
