"""Noise on the inputs, training only: x + σ·n, fresh for every example and step.

n has mean 0 and standard deviation 1: normal, or uniform on ±√3. σ is in pixels, the full range being
[0, 1], before normalisation; or with `units: normalised` in standard deviations of the training
data's pixels. Noisy pixels are not clipped. Does nothing at σ = 0.

Cost: 1.18 of a plain step.
Figures: `robustness_curves`, `corruption_curves`, `decision_planes`.

References:
    Bishop, Training with noise is equivalent to Tikhonov regularization, 1995.
"""

from __future__ import annotations

from torch import Tensor

from regularize.draws import Draws
from regularize.regularizers.hooks import Given, Hooks


def inputs(x: Tensor, pixel: Tensor, given: Given, draws: Draws) -> Tensor:
    noise = draws.noise_per_example(given.options["distribution"], "input_noise", x.shape[2:])
    sigma = given.over("sigma", x)
    return x + (sigma * pixel if given.options["units"] == "pixel" else sigma) * noise


HOOKS = Hooks(inputs=inputs)
