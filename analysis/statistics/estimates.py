"""A mean with its standard error: over seeds, or over seeds and examples as crossed factors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.notation.intervals import LEVEL, Interval

_ROUNDING = 1e-9  # relative; what sums may differ by and still be the same number

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean over n seeds; `error` is NaN where it cannot be known, `freedom` its degrees of freedom."""

    n: int
    mean: float
    error: float
    freedom: float

    def interval(self, family: int = 1) -> Interval:
        """Its 95% t-interval; of a `family` of so many, which all hold with 95% (Bonferroni)."""
        tail = (1 - LEVEL) / (2 * family)
        return Interval(self.n, self.mean, float(stats.t.isf(tail, self.freedom)) * self.error)

    def above(self, bound: float) -> float:
        """One-sided p that the true mean is at most `bound`; NaN where there is no error to test with."""
        if math.isnan(self.error):
            return math.nan
        if self.error == 0:  # on every seed the same: certain of 0 alone
            return math.nan if self.mean else float(bound >= 0)
        return float(stats.t.sf((self.mean - bound) / self.error, self.freedom))

    def below(self, bound: float) -> float:
        """The same, of at least."""
        return Estimate(self.n, -self.mean, self.error, self.freedom).above(-bound)

    def apart_from_0(self) -> float:
        """Two-sided p that the true mean is 0."""
        if self.error == 0 and not self.mean:
            return 1.0
        return 2 * min(self.above(0.0), self.below(0.0))

    def beyond(self, region: float) -> float:
        """Two-sided p that it lies within ±region."""
        return min(1.0, 2 * min(self.above(region), self.below(-region)))

    def within(self, region: float) -> float:
        """p that it lies outside ±region: the larger of two one-sided tests (Schuirmann 1987)."""
        return max(self.above(-region), self.below(region))


def constant(values: ArrayLike) -> bool:
    """Whether all values are the same number, but for rounding."""
    d = np.asarray(values, dtype=float)
    return bool(np.ptp(d) <= _ROUNDING * np.abs(d).max(initial=0.0)) if d.size else True


def over_seeds(values: ArrayLike) -> Estimate:
    """Of values [S], one a seed, in any order."""
    d = np.sort(np.asarray(values, dtype=float))  # so that the order cannot even change a rounding
    n = len(d)
    if n < 2 or not np.isfinite(d).all():
        return Estimate(n, float(d.mean()) if n else math.nan, math.nan, math.nan)
    error = 0.0 if constant(d) else float(d.std(ddof=1)) / math.sqrt(n)
    return Estimate(n, float(d.mean()), error, n - 1)


def crossed(values: ArrayLike) -> Estimate:
    """Of values [S, N], S seeds on the same N examples, both samples of what could have been drawn.

    Two-way random effects without replication: with the mean squares of seeds, of examples and of what is
    left, the variance of the mean is (MS_S + MS_N − MS_R)/SN, its degrees of freedom are Satterthwaite's. It
    is never taken to be less than that over seeds alone.
    """
    y = np.asarray(values, dtype=float)
    seeds, examples = y.shape
    alone = over_seeds(y.mean(axis=1))
    if math.isnan(alone.error) or examples < 2:
        return alone
    by_seed, by_example = y.mean(axis=1, keepdims=True), y.mean(axis=0, keepdims=True)
    ms_seed = examples * float(by_seed.var(ddof=1))
    ms_example = seeds * float(by_example.var(ddof=1))
    left = (seeds - 1) * (examples - 1)
    ms_left = float(((y - by_seed - by_example + y.mean()) ** 2).sum()) / left
    total = ms_seed + ms_example - ms_left
    if total <= ms_seed:
        return alone
    parts = ((ms_seed, seeds - 1), (ms_example, examples - 1), (ms_left, left))
    freedom = total**2 / sum(ms**2 / df for ms, df in parts)
    return Estimate(seeds, alone.mean, math.sqrt(total / (seeds * examples)), freedom)
