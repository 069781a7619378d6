"""Sharpness-aware minimisation: the step's gradient is taken at w + ρ·g/‖g‖₂, g the gradient at w.

Both passes see the same batch, masks and noise; ‖g‖₂ is over all parameters of a run, biases included, as
in the paper, and of the global batch, whatever the number of ranks. Penalties are part of both gradients.
Costs a second pass. The objective that curves show is that at w. Does nothing at ρ = 0.

Cost: 2.07 of a plain step.
Figures: `loss_gap`, `loss_curves`, `cost_accuracy`.

References:
    Foret, Kleiner, Mobahi, Neyshabur, Sharpness-aware minimization for efficiently improving generalization,
    2021 (arXiv 2010.01412).
"""

from __future__ import annotations

import torch
from torch import Tensor

from regularize.regularizers.gradient_clipping import norm
from regularize.regularizers.hooks import Given, Hooks, Weights


def ascend(gradients: Weights, given: Given) -> dict[str, Tensor]:
    length = norm(gradients)
    scale = given.strengths["rho"] / length.clamp(min=torch.finfo(length.dtype).tiny)
    return {
        name: gradient * scale.to(gradient.dtype).view(-1, *[1] * (gradient.ndim - 1))
        for name, gradient in gradients.items()
    }


HOOKS = Hooks(ascend=ascend)
