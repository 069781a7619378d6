"""One contender and the baseline on the same seeds: the differences, and what they say by themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from analysis.notation.number_text import count
from analysis.statistics import paired_tests, seeds_needed
from analysis.statistics.contenders import MOST_DIVERGED, Comparison, Contender
from analysis.statistics.estimates import Estimate, Values, constant, crossed, over_seeds
from analysis.statistics.scores import Score

BySeed = Mapping[int, float]
REPETITIONS = "repetitions of choice and report"


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one contender scored, by seed. Diverged runs are among `values` where they count as something.

    `examples` has the score of every example [N], the same for all, by seed, where that is known.
    """

    values: BySeed
    survivors: BySeed
    runs: int
    n_diverged: int
    n_unmeasured: int  # neither diverged nor measured, or not like the others: these do not count
    examples: Mapping[int, Values]

    @cached_property
    def estimate(self) -> Estimate:
        if self.examples.keys() == self.values.keys() and self.examples:
            return crossed([self.examples[seed] for seed in sorted(self.examples)])
        return over_seeds(_in_order(self.values))

    @property
    def unstable(self) -> bool:
        return self.n_diverged > MOST_DIVERGED * self.runs


@dataclass(frozen=True, kw_only=True)
class Duel:
    """`mine` against `theirs`, the baseline's; None where there is none, and for the baseline itself.

    `number` is how many comparisons there are on the problem.
    """

    contender: Contender
    score: Score
    mine: Side
    theirs: Side | None
    is_baseline: bool
    number: int
    repeated: bool = False  # whether each seed has a strength that was chosen for it alone

    @cached_property
    def differences(self) -> paired_tests.Values:
        """Contender − baseline, of the seeds that both have, in their order.

        Of a score that is a ratio, of the logarithms. None at all where some value cannot be compared.
        """
        mine, theirs = self._pairs
        if self._incomparable:
            return np.array([])
        return np.log(mine) - np.log(theirs) if self.score.is_ratio else mine - theirs

    @cached_property
    def _pairs(self) -> tuple[paired_tests.Values, paired_tests.Values]:
        """The values of both, of the seeds that both have, in their order."""
        mine, baseline = self.mine.values, self.theirs.values if self.theirs else {}
        seeds = sorted(mine.keys() & baseline.keys())
        return np.array([mine[seed] for seed in seeds]), np.array([baseline[seed] for seed in seeds])

    @cached_property
    def _incomparable(self) -> str:
        """Which values have no difference, or no ratio; `` where all have."""
        mine, theirs = self._pairs
        infinite = ~np.isfinite(mine) | ~np.isfinite(theirs)
        if infinite.any():
            return f"it is infinite on {infinite.sum()} of {len(mine)} seeds"
        zero = (mine <= 0) | (theirs <= 0)
        if self.score.is_ratio and zero.any():
            return f"it is 0 on {zero.sum()} of {len(mine)} seeds, where there is no ratio"
        return ""

    @cached_property
    def estimate(self) -> Estimate:
        """Of the differences: over seeds, and over examples where these are known."""
        assert self.theirs is not None
        mine, theirs = self.mine.examples, self.theirs.examples
        seeds = sorted(mine.keys() & theirs.keys())
        if seeds and len(seeds) == len(self.differences):
            return crossed([self._term(mine[seed]) - self._term(theirs[seed]) for seed in seeds])
        return over_seeds(self.differences)

    def _term(self, examples: Values) -> Values:
        """What each example adds to a run's term of the difference, as numbers of which that is the mean.

        A ratio's is the logarithm of a mean, log m: to first order each example moves it by its x/m − 1.
        """
        if not self.score.is_ratio:
            return examples
        mean = examples.mean()
        return np.asarray(np.log(mean) + examples / mean - 1)

    @property
    def gain(self) -> Estimate:
        """Improvements above 0."""
        found = self.estimate
        return replace(found, mean=self.score.sign * found.mean)

    @property
    def gains(self) -> paired_tests.Values:
        """The differences, improvements above 0."""
        return self.score.sign * self.differences

    @cached_property
    def rope(self) -> float | None:
        """Half the width of the region of practical equivalence; None where the score has none."""
        side = self.mine if self.is_baseline else self.theirs
        found = self.score.rope(side.estimate.mean if side else math.nan)
        return found if found and math.isfinite(found) else None

    @cached_property
    def refused(self) -> str | None:
        """Why nothing can be concluded; None where something can, and for the baseline."""
        n = len(self.differences)
        if self.is_baseline:
            return None
        if self.theirs is None or not self.theirs.runs:
            return "there is no finished run of a baseline to compare with"
        if reason := self._diverged():
            return reason
        if self._incomparable:
            return self._incomparable
        if n < (needed := seeds_needed.pairs_needed(self.number)):
            least = seeds_needed.smallest_p(n) if n else 1.0
            return (
                f"{count(n, 'pair')} of seeds, {needed} are needed: the sign-flip check cannot fall below "
                f"p = {least:.2g}, and Holm over {self.number} asks for "
                f"{seeds_needed.ALPHA / self.number:.2g}"
            )
        if constant(self.differences) and self.differences.any():
            return "the difference is the same on every seed, so there is no variance to test it against"
        return None

    def _diverged(self) -> str:
        """Why runs that diverged leave nothing to conclude; `` where they do not."""
        assert self.theirs is not None
        for whose, side in (("", self.mine), (" of the baseline", self.theirs)):
            if side.unstable:
                return (
                    f"{side.n_diverged} of {side.runs} runs{whose} diverged, more than the "
                    f"{MOST_DIVERGED:.0%} up to which something is concluded"
                )
            if side.n_diverged and self.score.guess is None:
                return f"{side.n_diverged} of {side.runs} runs{whose} diverged, and have no {self.score.what}"
        return ""

    @property
    def tested(self) -> bool:
        return not self.is_baseline and self.refused is None

    @cached_property
    def p(self) -> float:
        return self.estimate.apart_from_0() if self.tested else np.nan

    @cached_property
    def p_sign_flip(self) -> float:
        return paired_tests.sign_flip_test(self.differences) if self.tested else np.nan

    @cached_property
    def p_beyond(self) -> float:
        """Of a gain within the region; NaN where there is none."""
        return self.gain.beyond(self.rope) if self.tested and self.rope else np.nan

    @cached_property
    def p_equivalent(self) -> float:
        """Of a gain outside the region; NaN where there is none."""
        return self.gain.within(self.rope) if self.tested and self.rope else np.nan

    @property
    def _over(self) -> str:
        """What intervals and tests cover."""
        found = next(iter(self.mine.examples.values()), None)
        units = REPETITIONS if self.repeated else "seeds"
        return units if found is None else f"{units} and {len(found):,} examples"

    def row(self) -> dict[str, Any]:
        """Its columns of `comparison_table.COMPARISON`, before correction for the other comparisons."""
        mine, survivors = self.mine.estimate, over_seeds(_in_order(self.mine.survivors))
        theirs = self.estimate if self.theirs else over_seeds([])
        low, high = paired_tests.p_improvement_interval(self.gains)
        return {
            "n": mine.n,
            "n_diverged": self.mine.n_diverged,
            "n_unmeasured": self.mine.n_unmeasured,
            "mean": mine.mean,
            "sd": paired_tests.sd(_in_order(self.mine.values)),
            "half": mine.interval().half,
            "survivors_mean": survivors.mean,
            "survivors_half": survivors.interval().half,
            "counted": self.score.guess is not None,
            "unstable": self.mine.unstable,
            "n_pairs": theirs.n,
            "difference": theirs.mean,
            "difference_sd": paired_tests.sd(self.differences),
            "difference_half": theirs.interval().half,
            "difference_family_half": theirs.interval(max(self.number, 1)).half,
            "over": self._over,
            "difference_unit": self.score.difference_unit,
            "p": self.p,
            "p_sign_flip": self.p_sign_flip,
            "p_beyond": self.p_beyond,
            "p_equivalent": self.p_equivalent,
            "d_z": paired_tests.d_z(self.differences),
            "p_improvement": paired_tests.p_improvement(self.gains),
            "p_improvement_low": low,
            "p_improvement_high": high,
            "rope": self.rope,
            "refused": self.refused,
            "comparisons": self.number,
        }


def _in_order(values: BySeed) -> list[float]:
    return [values[seed] for seed in sorted(values)]


def duels(comparison: Comparison, score: Score) -> list[Duel]:
    """One for each contender; the baseline's has no differences."""
    values: dict[Contender, dict[int, float]] = {contender: {} for contender in comparison.contenders}
    survivors: dict[Contender, dict[int, float]] = {contender: {} for contender in comparison.contenders}
    examples: dict[Contender, dict[int, Values]] = {contender: {} for contender in comparison.contenders}
    by_example = comparison.by_example(score)
    number = len(next(iter(by_example.values()), ()))
    diverged, unmeasured, runs = (dict.fromkeys(values, 0) for _ in range(3))
    results = comparison.results
    names = ("run_id", "regularizer", "strength", "seed", "state")
    columns = (results[name].tolist() for name in names)
    for run_id, regularizer, strength, seed, state, value in zip(
        *columns, comparison.values(score), strict=True
    ):
        contender = Contender(regularizer, strength)
        runs[contender] += 1
        diverged[contender] += state == "diverged"
        if not np.isnan(value):
            values[contender][seed] = float(value)
            if number:
                examples[contender][seed] = by_example.get(run_id, np.full(number, float(value)))
            if state == "done":
                survivors[contender][seed] = float(value)
        elif state == "done":
            unmeasured[contender] += 1
    sides = {
        each: Side(
            values=values[each],
            survivors=survivors[each],
            runs=runs[each],
            n_diverged=diverged[each],
            n_unmeasured=unmeasured[each],
            examples=examples[each],
        )
        for each in values
    }
    baseline = comparison.baseline
    return [
        Duel(
            contender=contender,
            score=score,
            mine=sides[contender],
            theirs=sides[baseline] if baseline and baseline != contender else None,
            is_baseline=contender == baseline,
            number=len(comparison.challengers),
            repeated=comparison.tables.repetitions > 1,
        )
        for contender in comparison.contenders
    ]
