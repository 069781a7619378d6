"""Means over seeds and their 95% t-intervals.

Student's t, not the percentile bootstrap: below 20 seeds the latter's "95%" intervals cover 75% to
90%.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """mean ± half, over n values; `half` is NaN for fewer than two or an infinite one, `mean` for none."""

    n: int
    mean: float
    half: float


def half_width(sd: ArrayLike, n: ArrayLike, family: int = 1) -> NDArray[np.float64]:
    """Half the width of the t-interval of a mean: t(0.975, n-1) · sd / √n; NaN where n < 2.

    `sd` is the sample's (divided by n-1). Of a `family` of so many intervals, wide enough that with
    95% all cover at once (Bonferroni).
    """
    sd, n = np.asarray(sd, dtype=float), np.asarray(n, dtype=float)
    enough = np.where(n >= 2, n, np.nan)
    quantile = stats.t.ppf(1 - (1 - LEVEL) / (2 * family), enough - 1)
    return np.asarray(quantile * sd / np.sqrt(enough), dtype=float)


def interval(values: ArrayLike, family: int = 1) -> Interval:
    """The mean of the values that are there, and its t-interval, of a `family` of so many."""
    there = np.asarray(values, dtype=float)
    there = there[~np.isnan(there)]
    n = len(there)
    if n < 2 or np.isinf(there).any():
        return Interval(n, float(there.mean()) if n else math.nan, math.nan)
    return Interval(n, float(there.mean()), float(half_width(there.std(ddof=1), n, family)))


def paired_differences(values: pd.Series, baseline: pd.Series) -> pd.Series:
    """values − baseline of the seeds that both have; both are indexed by seed."""
    return (values - baseline).dropna().astype(float)
