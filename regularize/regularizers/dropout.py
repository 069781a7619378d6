"""Inverted dropout on hidden fully connected layers: h·m/(1−p), m Bernoulli(1−p).

Training only. `layers` names the layers it acts on, all hidden ones unless told otherwise. The
Jacobian penalty of the same step sees the same masks. Does nothing at p = 0.

Cost: 1.09 of a plain step.
Figures: `loss_gap`, `loss_curves`, `activations_pca`.

References:
    Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, Dropout, 2014.
"""

from __future__ import annotations

from torch import Tensor

from regularize.draws import Draws
from regularize.regularizers.hooks import Given, Hooks


def hidden(layer: str, h: Tensor, given: Given, draws: Draws) -> Tensor | None:
    if given.options["layers"] != "all" and layer not in given.options["layers"]:
        return None
    uniform = draws.uniform_per_example(f"dropout/{layer}", h.shape[2:])
    p = given.over("p", uniform)
    return (uniform >= p) / (1 - p)


HOOKS = Hooks(hidden=hidden)
