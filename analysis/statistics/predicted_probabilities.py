"""What predicted probabilities say: confidence, entropy, and how far confidence can be believed.

The same definitions as in `regularize.evaluation.calibration`, example by example, offline.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics.contenders import Comparison, Contender

Array = NDArray[np.float64]
Index = NDArray[np.int64]
BINS = 15


@lru_cache(maxsize=1)
def examples(comparison: Comparison) -> pd.DataFrame:
    """One row for each test example of each run that did not diverge.

    Columns: regularizer, strength, seed, right, confidence (the largest probability), entropy (nats).
    Empty where the store has no predictions. Read once for all figures of the same comparison.
    """
    if not comparison.tables.store.table("predictions").exists():
        return pd.DataFrame()
    frames = [_examples(comparison, contender) for contender in comparison.contenders]
    return pd.concat(frames, ignore_index=True)


def classes(comparison: Comparison) -> int:
    """The number of classes, of the first run that has predictions."""
    done = comparison.results.loc[comparison.results["state"] == "done", "run_id"].tolist()
    rows = comparison.tables.read("predictions", comparison.problem, run_id=done, example=0)
    return len(rows["logits"].iloc[0])


def _examples(comparison: Comparison, contender: Contender) -> pd.DataFrame:
    rows = comparison.rows("predictions", contender)
    if rows.empty:
        return pd.DataFrame()
    p = probabilities(np.stack(rows["logits"].tolist()))
    return pd.DataFrame(
        {
            **vars(contender),
            "seed": rows["seed"],
            "right": p.argmax(1) == rows["label"].to_numpy(),
            "confidence": p.max(1),
            "entropy": entropy(p),
        }
    )


def probabilities(logits: NDArray[np.floating]) -> Array:
    """Softmax of logits [N, K]."""
    exponents = np.exp(logits.astype(float) - logits.max(1, keepdims=True))
    return np.asarray(exponents / exponents.sum(1, keepdims=True))


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
    """The chance that a right example has a higher score than a wrong one; NaN where all are of a kind."""
    from scipy.stats import rankdata

    n_right, n_wrong = int(right.sum()), int((~right).sum())
    if not n_right or not n_wrong:
        return float("nan")
    ranks = rankdata(score)[right].sum()
    return float((ranks - n_right * (n_right + 1) / 2) / (n_right * n_wrong))
