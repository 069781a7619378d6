"""Gradient clipping: a run's gradient g, over all parameters, is scaled to ‖g‖₂ ≤ c: g ← g·min(1, c/‖g‖₂).

Penalties are part of the gradient, and momentum accumulates what is left of it. 1e-6 is added to ‖g‖₂, as
in torch's `clip_grad_norm_`. Does nothing at c → ∞.

Cost: 1.08 of a plain step.
Figures: `loss_curves`.

References:
    Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural networks, 2013 (arXiv 1211.5063).
"""

from __future__ import annotations

from torch import Tensor

from regularize.draws import Draws
from regularize.regularizers.hooks import Given, Hooks, Weights
from regularize.run_by_run import total


def gradients(found: Weights, given: Given, _draws: Draws) -> None:
    share = (given.strengths["limit"] / (norm(found) + 1e-6)).clamp(max=1)
    for gradient in found.values():
        gradient.mul_(share.to(gradient.dtype).view(-1, *[1] * (gradient.ndim - 1)))


def norm(gradients: Weights) -> Tensor:
    """‖g‖₂ over all parameters, [R]."""
    return total(gradient.flatten(1).square().sum(1) for gradient in gradients.values()).sqrt()


HOOKS = Hooks(gradients=gradients)
