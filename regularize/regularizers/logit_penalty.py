"""Logit squeezing: (λ/2)·mean_b ‖z_b‖₂², z the logits. Does nothing at λ = 0.

Cost: 1.15 of a plain step.
Figures: `confidence_distributions`, `reliability`.

References:
    Kannan, Kurakin, Goodfellow, Adversarial logit pairing, 2018 (arXiv 1803.06373), section 3.2.
"""

from __future__ import annotations

from torch import Tensor

from regularize.regularizers.hooks import Given, Hooks, Pass


def penalty(state: Pass, given: Given) -> Tensor:
    return given.strengths["strength"] / 2 * state.mean(state.logits.square().sum(-1))


HOOKS = Hooks(penalty=penalty)
