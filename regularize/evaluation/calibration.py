"""How far predicted probabilities can be believed.

Scaled ones are of the logits divided by the temperature T > 0 that has the least negative log-likelihood on
the validation split, which no prediction changes with; T is within [1/64, 64]. The likelihood is convex in
1/T, so its slope is bisected.

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
_STEPS = 60  # of a bisection: more than double precision has digits
_COLDEST, _HOTTEST = -6.0, 6.0  # log₂ of temperatures


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


def scaled(outputs: Tensor, labels: Tensor, temperature: Tensor) -> dict[str, Tensor]:
    """`ece_scaled` and `ece_mass_scaled` [R] of logits [R, N, K] at temperatures [R]."""
    found = calibration(outputs.double() / temperature.view(-1, 1, 1), labels)
    return {f"{name}_scaled": found[name] for name in ("ece", "ece_mass")}


def temperature(outputs: Tensor, labels: Tensor) -> Tensor:
    """The temperature [R] with the least negative log-likelihood of logits [R, N, K]; NaN where these are."""
    outputs = outputs.double()
    own = outputs.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    low, high = (torch.full_like(own[:, 0], value) for value in (_COLDEST, _HOTTEST))
    for _ in range(_STEPS):
        middle = (low + high) / 2
        p = F.softmax(outputs / 2 ** middle.view(-1, 1, 1), -1)
        # ∂ −log p_y / ∂(1/T) = E z − z_y: above 0 where predictions are surer than they may be.
        too_cold = ((p * outputs).sum(-1) - own).mean(1) > 0
        low, high = torch.where(too_cold, middle, low), torch.where(too_cold, high, middle)
    finite = outputs.isfinite().flatten(1).all(1)
    return torch.where(finite, 2 ** ((low + high) / 2), torch.nan)


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
