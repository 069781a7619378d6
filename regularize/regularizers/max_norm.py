"""Max-norm: after every step each unit's incoming weights w are scaled to ‖w‖₂ ≤ c: w ← w·min(1, c/‖w‖₂).

A row of a layer's weight is the weights into one unit, or of a convolution into one channel (in·k·k of
them); biases are left alone. Does nothing at c → ∞. The limit holds for the last weights, too, and after
every other technique of a combination but those that project themselves and come later.

Cost: 1.06 of a plain step.
Figures: `weight_distributions`, `spectra`.

References:
    Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, Dropout, 2014, section 5.1.
"""

from __future__ import annotations

from regularize.regularizers.hooks import Given, Hooks, StepEnd, Weights


def project(weights: Weights, given: Given, _end: StepEnd) -> None:
    for weight in weights.values():
        limit = given.over("limit", weight)
        norms = weight.square().sum(-1, keepdim=True).sqrt()
        weight.copy_(weight.where(norms <= limit, weight * (limit / norms)))


HOOKS = Hooks(project=project)
