"""L2 (ridge): (λ/2) Σ w² over the weights, not the biases. Does nothing at λ = 0.

With plain or momentum SGD this is the same as `weight_decay=λ` on the weights.

Cost: 1.13 of a plain step.
Figures: `weight_distributions`, `spectra`, `loss_gap`.

References:
    Hoerl and Kennard, Ridge regression, 1970.
"""

from __future__ import annotations

from torch import Tensor

from regularize.regularizers.hooks import Given, Hooks, Pass, sum_over_weights


def penalty(state: Pass, given: Given) -> Tensor:
    return given.strengths["strength"] / 2 * sum_over_weights(state.weights, Tensor.square)


HOOKS = Hooks(penalty=penalty)
