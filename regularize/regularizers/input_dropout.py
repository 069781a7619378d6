"""Inverted dropout of inputs: x·m/(1 − p), m Bernoulli(1 − p) for every number of a normalised example.

Training only. What is dropped is the mean of the training pixels (0 once normalised). Does nothing at p = 0.

Cost: 1.23 of a plain step.
Figures: `loss_gap`, `occlusion`, `robustness_curves`.

References:
    Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, Dropout, 2014.
"""

from __future__ import annotations

from torch import Tensor

from regularize.draws import Draws
from regularize.regularizers.hooks import Given, Hooks


def inputs(x: Tensor, _pixel: Tensor, given: Given, draws: Draws) -> Tensor:
    uniform = draws.uniform_per_example("input_dropout", x.shape[2:])
    p = given.over("p", uniform)
    return x * ((uniform >= p) / (1 - p))


HOOKS = Hooks(inputs=inputs)
