"""Spatial dropout: whole channels of what convolutions give are dropped, h·m/(1 − p), m Bernoulli(1 − p).

One draw for each example and channel, since neighbouring pixels say much the same. Training only; on every
convolution, in LeNets behind their pooling and activation. The Jacobian penalty of the same step sees the
same masks. Does nothing at p = 0.

Cost: 1.18 of a plain step.
Figures: `loss_gap`, `loss_curves`, `feature_maps`.

References:
    Tompson, Goroshin, Jain, LeCun, Bregler, Efficient object localization using convolutional networks, 2015
    (arXiv 1411.4280).
"""

from __future__ import annotations

from torch import Tensor

from regularize.draws import Draws
from regularize.regularizers.hooks import Given, Hooks


def channels(layer: str, h: Tensor, given: Given, draws: Draws) -> Tensor:
    uniform = draws.uniform_per_example(f"spatial_dropout/{layer}", (h.shape[2], 1))
    p = given.over("p", uniform)
    return (uniform >= p) / (1 - p)


HOOKS = Hooks(channels=channels)
