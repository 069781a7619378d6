"""Confidence penalty: −β·H(p), H the entropy in nats of the predicted distribution p.

With a `threshold` Γ it is the hinge β·max(0, Γ − H(p)) of every example, which leaves predictions that are
uncertain enough alone. (The hinge is printed with the other sign in the paper, and would then
reward confidence.) Strengthening it towards the end of training, which the paper recommends, is
`warmup: 1`. Does nothing at β = 0.

Cost: 1.04 of a plain step.
Figures: `confidence_distributions`, `entropy_distributions`, `reliability`.

References:
    Pereyra, Tucker, Chorowski, Kaiser, Hinton, Regularizing neural networks by penalizing confident
    output distributions, 2017 (arXiv 1701.06548).
"""

from __future__ import annotations

import torch
from torch import Tensor

from regularize.regularizers.hooks import Given, Hooks, Pass


def penalty(state: Pass, given: Given) -> Tensor:
    certainty = -entropy(state.log_probabilities)
    threshold = given.options["threshold"]
    if threshold != "none":
        certainty = (certainty + threshold).clamp(min=0)
    return given.strengths["beta"] * state.mean(certainty)


def entropy(log_probabilities: Tensor) -> Tensor:
    """−Σ p log p of log p [R, B, K], in nats: [R, B]; a probability of 0 adds 0."""
    finite = log_probabilities.clamp(min=torch.finfo(log_probabilities.dtype).min)
    return -(finite.exp() * finite).sum(-1)


HOOKS = Hooks(penalty=penalty)
