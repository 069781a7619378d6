"""Inverted dropout on the hidden fully connected layers: h·m/(1−p), m Bernoulli(1−p).

Training only. The Jacobian penalty of the same step sees the same masks. Does nothing at p = 0.

References:
    Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, Dropout, 2014.
"""

from __future__ import annotations

from torch import Tensor

from regularize.draws import Draws
from regularize.regularizers.hooks import Given, Hooks


def hidden(layer: str, h: Tensor, given: Given, draws: Draws) -> Tensor:
    p = given.over("p", h)
    kept = draws.uniform_per_example(f"dropout/{layer}", h.shape[2:]) >= p
    return h * (kept / (1 - p))


HOOKS = Hooks(hidden=hidden)
