"""What differences paired by seed say: tests, their correction, effect sizes, equivalence.

All functions are pure and take plain numbers: differences of one contender to the baseline, one a
seed, in any order.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.notation.intervals import LEVEL
from analysis.statistics.estimates import constant, over_seeds
from analysis.statistics.seeds_needed import ALPHA

_EXACT_TO = 16  # differences, of which all 2^15 sign patterns are tried; above, as many random ones
_RANDOM_PATTERNS = 2**16 - 1
_ROWS = 2**12  # patterns at a time
_ROUNDING = 1e-9  # relative; what sums may differ by and still be the same number

Values = NDArray[np.float64]


def _values(differences: ArrayLike) -> Values:
    """Sorted, so that the order of rows cannot even change a rounding."""
    return np.sort(np.asarray(differences, dtype=float))


def t_test(differences: ArrayLike) -> float:
    """Two-sided p of the one-sample t-test of mean 0 (Student 1908).

    1 where all differences are 0; NaN where there are fewer than two, or all are the same otherwise.
    """
    return over_seeds(differences).apart_from_0()


def sign_flip_test(differences: ArrayLike) -> float:
    """Two-sided p of the permutation test that flips signs (Fisher 1935): the share of sign patterns
    whose sum is at least as far from 0 as the observed one.

    All patterns for up to 16 differences, above that 65,535 random ones and the observed one, always
    the same. Its smallest value for n differences is 2^(1−n). NaN where there is no difference.
    """
    d = _values(differences)
    if not len(d):
        return math.nan
    far = abs(d.sum()) - _ROUNDING * np.abs(d).sum()
    patterns = _patterns(len(d))
    blocks = (patterns[start : start + _ROWS] for start in range(0, len(patterns), _ROWS))
    at_least = np.concatenate([np.abs(block @ d) >= far for block in blocks])
    if len(d) <= _EXACT_TO:
        return float(at_least.mean())
    return float((1 + at_least.sum()) / (1 + len(at_least)))


@lru_cache(maxsize=4)
def _patterns(n: int) -> NDArray[np.int8]:
    """Rows of signs; half of all will do, as a pattern and its opposite are equally far from 0."""
    if n <= _EXACT_TO:
        return np.array([(1, *signs) for signs in itertools.product((1, -1), repeat=n - 1)], np.int8)
    drawn, signs = np.random.default_rng(0), np.array((1, -1), np.int8)
    sizes = [min(_ROWS, _RANDOM_PATTERNS - start) for start in range(0, _RANDOM_PATTERNS, _ROWS)]
    return np.concatenate([drawn.choice(signs, size=(size, n)) for size in sizes])


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values (Holm 1979). NaN, a test refused, counts in the number and stays NaN."""
    order = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    adjusted, largest = [math.nan] * len(p_values), 0.0
    for rank, (p, place) in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p))
        adjusted[place] = largest
    return adjusted


def sd(values: ArrayLike) -> float:
    """The standard deviation of the sample; NaN for fewer than two values, or an infinite one."""
    values = _values(values)
    return float(values.std(ddof=1)) if len(values) > 1 and np.isfinite(values).all() else math.nan


def d_z(differences: ArrayLike) -> float:
    """Cohen's d_z: mean over standard deviation of the differences; NaN where they do not vary."""
    d = _values(differences)
    return math.nan if len(d) < 2 or constant(d) else float(d.mean() / sd(d))


def p_improvement(gains: ArrayLike) -> float:
    """The share of seeds that gained, half of the ties included; NaN where there is no seed."""
    gains = _values(gains)
    return float(((gains > 0) + 0.5 * (gains == 0)).mean()) if len(gains) else math.nan


def p_improvement_interval(gains: ArrayLike) -> tuple[float, float]:
    """The exact 95% interval of the probability that a seed gains (Clopper & Pearson 1934).

    Ties count half. NaN where there is no seed.
    """
    n = len(_values(gains))
    if not n:
        return math.nan, math.nan
    won, tail = p_improvement(gains) * n, (1 - LEVEL) / 2
    low = float(stats.beta.ppf(tail, won, n - won + 1)) if won > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, won + 1, n - won)) if won < n else 1.0
    return low, high


def verdict(gain: float, p_beyond: float, p_equivalent: float) -> str:
    """What corrected p-values say of the size of a gain against the region of practical equivalence.

    `better` or `worse` where it lies beyond the region, `equivalent` where within, else `undecided`.
    """
    if p_beyond <= ALPHA:
        return "better" if gain > 0 else "worse"
    return "equivalent" if p_equivalent <= ALPHA else "undecided"
