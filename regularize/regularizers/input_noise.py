"""Noise on the inputs, training only: x + σ·n, n standard normal, fresh for every example and step.

σ is in units of the full pixel range [0, 1], before normalisation; noisy pixels are not clipped.
Does nothing at σ = 0.

References:
    Bishop, Training with noise is equivalent to Tikhonov regularization, 1995.
"""

from __future__ import annotations

from torch import Tensor

from regularize.draws import Draws
from regularize.regularizers.hooks import Given, Hooks


def inputs(x: Tensor, pixel: Tensor, given: Given, draws: Draws) -> Tensor:
    noise = draws.normal_per_example("input_noise", x.shape[2:])
    return x + (given.over("sigma", x) * pixel) * noise


HOOKS = Hooks(inputs=inputs)
