"""Noise on the weights, training only: forward and backward at W + σ·n, the step applied to W.

n is standard normal, fresh at every step, for the weights of every layer; biases are left alone.
Does nothing at σ = 0.

References:
    An, The effects of adding noise during backpropagation training, 1996.
    Graves, Practical variational inference for neural networks, 2011.
"""

from __future__ import annotations

from torch import Tensor

from regularize.draws import Draws
from regularize.regularizers.hooks import Given, Hooks


def weight(name: str, w: Tensor, given: Given, draws: Draws) -> Tensor:
    return w + given.over("sigma", w) * draws.normal(f"weight_noise/{name}", w.shape[1:])


HOOKS = Hooks(weight=weight)
