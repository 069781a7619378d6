"""How far predicted probabilities can be believed.

Brier score: mean Σ_k (p_k − y_k)², in [0, 2]. Expected calibration error: predictions are put into
bins by confidence, max_k p_k, and ECE = Σ_b (n_b/N)·|accuracy_b − mean confidence_b|. The negative
log-likelihood is the loss of the results table.

References:
    Brier, Verification of forecasts expressed in terms of probability, 1950.
    Naeini, Cooper, Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, 2015.
    Guo, Pleiss, Sun, Weinberger, On calibration of modern neural networks, 2017 (arXiv 1706.04599).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

BINS = 15


def calibration(outputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Measures [R] by name (brier, ece, ece_mass, entropy, confidence) of logits [R, N, K]."""
    outputs = outputs.double()
    log_p = F.log_softmax(outputs, -1)
    p = log_p.exp()
    confidence, predicted = p.max(-1)
    correct = (predicted == labels).double()
    return {
        "brier": (p - F.one_hot(labels, p.shape[-1])).square().sum(-1).mean(1),
        "ece": error(confidence, correct, equal_width(confidence)),
        "ece_mass": error(confidence, correct, equal_mass(confidence)),
        "entropy": -(p * log_p).sum(-1).mean(1),
        "confidence": confidence.mean(1),
    }


def equal_width(confidence: Tensor, bins: int = BINS) -> Tensor:
    """The bin in [0, bins) of each confidence [R, N]: bin b is (b/bins, (b + 1)/bins].

    A confidence of exactly 1 is in the last.
    """
    return ((confidence * bins).ceil().long() - 1).clamp(0, bins - 1)


def equal_mass(confidence: Tensor, bins: int = BINS) -> Tensor:
    """The bin in [0, bins) of each confidence [R, N], by rank: sizes differ by one at most.

    Equals are in the order of the examples. In float32 they are equal: the last bit of a double
    would tell examples apart that are equally certain.
    """
    order = confidence.float().argsort(dim=1, stable=True)
    count = confidence.shape[1]
    by_rank = torch.arange(count, device=confidence.device) * bins // count
    return torch.empty_like(order).scatter_(1, order, by_rank.expand_as(order))


def error(confidence: Tensor, correct: Tensor, bins: Tensor) -> Tensor:
    """Expected calibration error [R] of confidences, correctness (0 or 1) and bins, all [R, N]."""
    gaps = (correct - confidence).unsqueeze(-1) * F.one_hot(bins, BINS)
    return gaps.sum(1).abs().sum(1) / confidence.shape[1]
