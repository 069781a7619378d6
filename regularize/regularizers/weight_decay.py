"""Decoupled weight decay: every step also takes w ← w − η·λ·w, η being its learning rate, with any optimizer.

Weights, not biases. The decay is of the weights before the step and passes by the optimizer, as in AdamW:
with SGD it differs from `l2` by the momentum, which never sees it; with Adam it is AdamW's own
`weight_decay`. Does nothing at λ = 0.

Cost: 1.04 of a plain step.
Figures: `weight_distributions`, `spectra`, `loss_gap`.

References:
    Loshchilov and Hutter, Decoupled weight decay regularization, 2019 (arXiv 1711.05101).
"""

from __future__ import annotations

from regularize.regularizers.hooks import Given, Hooks, StepEnd, Weights


def before_step(weights: Weights, given: Given, end: StepEnd) -> None:
    kept = 1 - end.rates * given.strengths["strength"]
    for weight in weights.values():
        weight.mul_(kept.to(weight.dtype).view(-1, 1, 1))


HOOKS = Hooks(before_step=before_step)
