"""Noise on the weights, training only: forward and backward at W + σ·n, the step applied to W.

n has mean 0 and standard deviation 1: normal, or uniform on ±√3; fresh at every step, for the weights of
every layer; biases are left alone. With `units: relative`, σ is in units of the root mean square of
the layer's weights at that step, which counts as a constant. Does nothing at σ = 0.

Cost: 1.16 of a plain step.
Figures: `weight_distributions`, `loss_gap`.

References:
    An, The effects of adding noise during backpropagation training, 1996.
    Graves, Practical variational inference for neural networks, 2011.
"""

from __future__ import annotations

from torch import Tensor

from regularize.draws import Draws
from regularize.regularizers.hooks import Given, Hooks


def weight(name: str, w: Tensor, given: Given, draws: Draws) -> Tensor:
    sigma = given.over("sigma", w)
    if given.options["units"] == "relative":
        sigma = sigma * w.detach().square().mean(dim=tuple(range(1, w.ndim)), keepdim=True).sqrt()
    return w + sigma * draws.noise(given.options["distribution"], f"weight_noise/{name}", w.shape[1:])


HOOKS = Hooks(weight=weight)
