"""One contender and the baseline on the same seeds: the differences, and what they say by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from analysis.notation.intervals import interval
from analysis.notation.number_text import count
from analysis.statistics import paired_tests
from analysis.statistics.contenders import BASELINE, Comparison, Contender
from analysis.statistics.scores import Score

BySeed = Mapping[int, float]


@dataclass(frozen=True, kw_only=True)
class Duel:
    """`values` and `baseline`, by seed, are of the runs that did not diverge.

    `baseline` is None where there is no finished run of it, and for the baseline itself. `number`
    is how many comparisons there are on the problem.
    """

    contender: Contender
    score: Score
    values: BySeed
    baseline: BySeed | None
    n_diverged: int
    n_unmeasured: int  # neither diverged nor measured, or not like the others
    number: int

    @property
    def is_baseline(self) -> bool:
        return self.contender.regularizer == BASELINE

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
        baseline = self.baseline or {}
        seeds = sorted(self.values.keys() & baseline.keys())
        return np.array([self.values[seed] for seed in seeds]), np.array([baseline[seed] for seed in seeds])

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

    @property
    def gains(self) -> paired_tests.Values:
        """The differences, improvements above 0."""
        return self.score.sign * self.differences

    @cached_property
    def refused(self) -> str | None:
        """Why nothing can be concluded; None where something can, and for the baseline."""
        n = len(self.differences)
        if self.is_baseline:
            return None
        if self.baseline is None:
            return f"no finished run of {BASELINE!r} to compare with"
        if self._incomparable:
            return self._incomparable
        if n < (needed := paired_tests.pairs_needed(self.number)):
            least = paired_tests.smallest_p(n) if n else 1.0
            return (
                f"{count(n, 'pair')} of seeds, {needed} are needed: the sign-flip check cannot fall below "
                f"p = {least:.2g}, and Holm over {self.number} asks for "
                f"{paired_tests.ALPHA / self.number:.2g}"
            )
        if paired_tests.constant(self.differences) and self.differences.any():
            return "the difference is the same on every seed, so there is no variance to test it against"
        return None

    @property
    def tested(self) -> bool:
        return not self.is_baseline and self.refused is None

    @cached_property
    def p(self) -> float:
        return paired_tests.t_test(self.differences) if self.tested else np.nan

    @cached_property
    def p_sign_flip(self) -> float:
        return paired_tests.sign_flip_test(self.differences) if self.tested else np.nan

    @property
    def verdict(self) -> str | None:
        """By the region of practical equivalence alone; None where the score has none."""
        return paired_tests.verdict(interval(self.gains), self.score.rope) if self.score.rope else None

    def row(self) -> dict[str, Any]:
        """Its columns of `comparison_table.COMPARISON`, before correction for the other comparisons."""
        values = [self.values[seed] for seed in sorted(self.values)]
        mine, theirs = interval(values), interval(self.differences)
        return {
            "n": mine.n,
            "n_diverged": self.n_diverged,
            "n_unmeasured": self.n_unmeasured,
            "mean": mine.mean,
            "sd": paired_tests.sd(values),
            "half": mine.half,
            "n_pairs": theirs.n,
            "difference": theirs.mean,
            "difference_sd": paired_tests.sd(self.differences),
            "difference_half": theirs.half,
            "difference_unit": self.score.difference_unit,
            "p": self.p,
            "p_sign_flip": self.p_sign_flip,
            "d_z": paired_tests.d_z(self.differences),
            "p_improvement": paired_tests.p_improvement(self.gains),
            "rope": self.score.rope,
            "refused": self.refused,
            "comparisons": self.number,
        }


def duels(comparison: Comparison, score: Score) -> list[Duel]:
    """One for each contender; the baseline's has no differences."""
    done: dict[Contender, dict[int, float]] = {contender: {} for contender in comparison.contenders}
    diverged, unmeasured = dict.fromkeys(done, 0), dict.fromkeys(done, 0)
    results = comparison.results
    names = ("regularizer", "strength", "seed", "state")
    columns = (results[name].tolist() for name in names)
    for regularizer, strength, seed, state, value in zip(*columns, comparison.values(score), strict=True):
        contender = Contender(regularizer, strength)
        diverged[contender] += state == "diverged"
        if state == "done" and not np.isnan(value):
            done[contender][seed] = float(value)
        elif state == "done":
            unmeasured[contender] += 1
    baseline = comparison.baseline
    return [
        Duel(
            contender=contender,
            score=score,
            values=done[contender],
            baseline=done[baseline] if baseline and baseline != contender else None,
            n_diverged=diverged[contender],
            n_unmeasured=unmeasured[contender],
            number=len(comparison.challengers),
        )
        for contender in comparison.contenders
    ]
