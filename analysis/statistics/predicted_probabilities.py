"""What predicted probabilities say: confidence, entropy, and how far confidence can be believed.

The same definitions as in `regularize.evaluation.calibration`, example by example, offline.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]
BINS = 15


def probabilities(logits: NDArray[np.floating]) -> Array:
    """Softmax of logits [N, K]; in memory class by class: over few classes a tenth of the time."""
    exponents = np.array(logits.T, dtype=float, order="C")
    exponents -= exponents.max(0)
    np.exp(exponents, out=exponents)
    exponents /= exponents.sum(0)
    return exponents.T


def entropy(p: Array) -> Array:
    """−Σ_k p_k log p_k in nats, [N]; a probability of 0 adds nothing."""
    terms = p * np.log(np.where(p > 0, p, 1.0))
    return np.asarray(-terms.sum(1) + 0.0)


def equal_width(confidence: Array, bins: int = BINS) -> Index:
    """The bin of each confidence [N]: bin b is (b/bins, (b + 1)/bins], so 1 is in the last."""
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def equal_mass(confidence: Array, bins: int = BINS) -> Index:
    """The bin of each confidence [N] by rank; equals (as float32) are in the order of the examples."""
    order = np.argsort(confidence.astype(np.float32), kind="stable")
    found = np.empty(len(confidence), dtype=np.int64)
    found[order] = np.arange(len(confidence)) * bins // len(confidence)
    return found


def calibration_error(confidence: Array, right: NDArray[np.bool_], bins: Index) -> float:
    """ECE = Σ_b |Σ_{i in b} (right_i − confidence_i)| / N."""
    return float(np.abs(np.bincount(bins, right - confidence)).sum() / len(confidence))


def auroc(score: Array, right: NDArray[np.bool_]) -> float:
    """The chance that a right example has a higher score than a wrong one; NaN where all are of a kind.

    Ties count as half.
    """
    low, high = np.sort(score[~right]), score[right]
    if not len(low) or not len(high):
        return float("nan")
    below, upto = (np.searchsorted(low, np.sort(high), side).sum() for side in ("left", "right"))
    return float((below + upto) / 2 / (len(low) * len(high)))
