"""DropConnect: weights of fully connected layers are dropped, w·m/(1 − p), m Bernoulli(1 − p), training only.

One mask a step for all examples of its batch: the paper draws one for each, which no batched product can
use. Convolutions and biases are left alone. Does nothing at p = 0.

Cost: 1.20 of a plain step.
Figures: `loss_gap`, `weight_distributions`.

References:
    Wan, Zeiler, Zhang, LeCun, Fergus, Regularization of neural networks using DropConnect, 2013.
"""

from __future__ import annotations

from torch import Tensor

from regularize.draws import Draws
from regularize.regularizers.hooks import Given, Hooks


def weight(name: str, w: Tensor, given: Given, draws: Draws) -> Tensor:
    if w.ndim != 3:  # a kernel
        return w
    p = given.over("p", w)
    return w * ((draws.uniform(f"dropconnect/{name}", w.shape[1:]) >= p) / (1 - p))


HOOKS = Hooks(weight=weight)
