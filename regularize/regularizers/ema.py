"""Exponential moving average of the weights: w̄ ← d·w̄ + (1 − d)·w after every step; w̄ is what is evaluated.

All parameters are averaged, and what layers collect of batches. Early on d is (1 + t)/(10 + t) at step t
where that is less, so that w̄ forgets where it began. Curves and results are those of w̄ (`evaluated` says
so); training itself goes on as without it. Does nothing at d = 0.

Cost: 1.05 of a plain step.
Figures: `accuracy_curves`, `loss_curves`.

References:
    Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992.
    With the warm-up: Tan and Le, EfficientNet, 2019 (arXiv 1905.11946), as in TensorFlow's moving averages.
"""

from __future__ import annotations

from torch import Tensor

from regularize.regularizers.hooks import Given, Hooks, StepEnd


def keep(given: Given, end: StepEnd) -> Tensor:
    return 1 - given.strengths["decay"].clamp(max=(1 + end.step) / (10 + end.step))


HOOKS = Hooks(keep=keep)
