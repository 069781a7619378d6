"""Every contender against the baseline on the report seeds: `tables/comparison.parquet`.

Differences are paired by seed. The baseline has no strength, so there is nothing in it to tune; the
settings that it shares with its contenders (learning rate, epochs, …) are tuned for none of them.
`strengths` and `tune_runs` say what was spent on the choice of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from analysis import paired
from analysis.comparison import BASELINE, Comparison, Contender, comparisons
from analysis.intervals import interval, paired_differences
from analysis.scores import DEFAULT, Score, score
from analysis.tables import Tables, to_frame

COMPARISON = pa.schema(
    [
        ("dataset", pa.string()),
        ("per_class", pa.int64()),
        ("model", pa.string()),
        ("regularizer", pa.string()),
        ("strength", pa.string()),
        ("metric", pa.string()),  # a name of `analysis.scores.SCORES`
        ("n", pa.int64()),  # report seeds that did not diverge
        ("n_diverged", pa.int64()),
        ("mean", pa.float64()),  # over the n seeds; accuracies in %
        ("sd", pa.float64()),
        ("half", pa.float64()),  # half the width of the mean's 95% t-interval
        ("n_pairs", pa.int64()),  # seeds that did not diverge here nor in the baseline
        ("difference", pa.float64()),  # mean of contender − baseline over the pairs
        ("difference_sd", pa.float64()),
        ("difference_half", pa.float64()),
        ("difference_unit", pa.string()),  # pp, nats, or `` for a pure number
        ("p", pa.float64()),  # of `test`
        ("p_holm", pa.float64()),
        ("significant", pa.bool_()),  # p_holm ≤ 0.05
        ("p_sign_flip", pa.float64()),  # the check
        ("p_sign_flip_holm", pa.float64()),
        ("confirmed", pa.bool_()),  # the check, corrected, is on the same side of 0.05
        ("d_z", pa.float64()),
        ("p_improvement", pa.float64()),  # share of the pairs in which the contender is better
        ("rope", pa.float64()),  # differences within ±rope do not matter
        ("verdict", pa.string()),  # better | worse (both only if significant) | equivalent | undecided
        ("refused", pa.string()),  # why nothing is concluded; null where something is
        ("comparisons", pa.int64()),  # of this problem: what the correction is for
        ("test", pa.string()),
        ("correction", pa.string()),
        ("rule", pa.string()),  # how the strength was chosen
        ("strengths", pa.int64()),  # that it was chosen from
        ("tune_runs", pa.int64()),  # that were trained for the choice
    ]
)
TEST = "two-sided t-test of differences paired by seed; check: sign-flip permutation test"


def name(metric: str = DEFAULT) -> str:
    """The name of a metric's table: `comparison`, and for others than accuracy its name after that."""
    return "comparison" if metric == DEFAULT else f"comparison-{metric}"


def compare(tables: Tables, metric: str = DEFAULT) -> pd.DataFrame:
    """One row a problem and contender, the baseline's first; columns as in `COMPARISON`.

    What a row cannot say is missing in it: differences of the baseline, conclusions where `refused`
    says why there is none, a verdict where the metric has no region of practical equivalence.

    Raises:
        UserError: unknown metric, or there is no finished report run.
    """
    chosen = score(metric)
    found = comparisons(tables)
    rows = [{"metric": metric, **row} for comparison in found for row in _rows(comparison, chosen)]
    return to_frame(rows, COMPARISON)


def duels(comparison: Comparison, score: Score) -> list[Duel]:
    """One for each contender; the baseline's is empty."""
    return [Duel(comparison, contender, score) for contender in comparison.contenders]


def _rows(comparison: Comparison, score: Score) -> Iterator[dict[str, Any]]:
    all_duels = duels(comparison, score)
    challengers = [duel for duel in all_duels if duel.contender != comparison.baseline]
    p_holm = paired.holm([duel.p for duel in challengers])
    flips_holm = paired.holm([duel.p_sign_flip for duel in challengers])
    corrected = {
        duel.contender: _conclusion(duel, *p)
        for duel, *p in zip(challengers, p_holm, flips_holm, strict=True)
    }
    for duel in all_duels:
        yield {
            **vars(comparison.problem),
            **vars(duel.contender),
            **duel.row(),
            **corrected.get(duel.contender, {}),
            **_budget(comparison, duel.contender),
            "rule": comparison.rule,
        }


def _conclusion(duel: Duel, p_holm: float, p_sign_flip_holm: float) -> dict[str, Any]:
    """What is said once it is known how many comparisons there are; nothing where it was refused."""
    if not duel.tested:
        return {}
    significant = p_holm <= paired.ALPHA
    verdict = duel.verdict
    return {
        "p_holm": p_holm,
        "p_sign_flip_holm": p_sign_flip_holm,
        "significant": significant,
        "confirmed": significant == (p_sign_flip_holm <= paired.ALPHA),
        "verdict": "undecided" if verdict in ("better", "worse") and not significant else verdict,
    }


@dataclass(frozen=True)
class Duel:
    """One contender and the baseline."""

    comparison: Comparison
    contender: Contender
    score: Score

    @cached_property
    def differences(self) -> pd.Series:
        """Contender − baseline, by seed; empty for the baseline itself, and where there is none."""
        baseline = self.comparison.baseline
        mine = self.score.of(self.comparison.done(self.contender))
        if baseline is None or baseline == self.contender:
            return mine.iloc[:0]
        return paired_differences(mine, self.score.of(self.comparison.done(baseline)))

    @cached_property
    def refused(self) -> str | None:
        """Why nothing can be concluded; None where something can, and for the baseline."""
        comparison, n = self.comparison, len(self.differences)
        if comparison.baseline is None:
            return f"no finished run of {BASELINE!r} to compare with"
        if comparison.baseline == self.contender:
            return None
        number = len(comparison.challengers)
        if n < (needed := paired.pairs_needed(number)):
            least = paired.smallest_p(n) if n else 1.0
            return (
                f"{n} pairs of seeds, {needed} are needed: the sign-flip check cannot fall below p = "
                f"{least:.2g}, and Holm over {number} asks for {paired.ALPHA / number:.2g}"
            )
        if paired.constant(self.differences) and self.differences.any():
            return "the difference is the same on every seed, so there is no variance to test it against"
        return None

    @property
    def tested(self) -> bool:
        return self.refused is None and len(self.differences) > 0

    @cached_property
    def p(self) -> float:
        return paired.t_test(self.differences) if self.tested else np.nan

    @cached_property
    def p_sign_flip(self) -> float:
        return paired.sign_flip_test(self.differences) if self.tested else np.nan

    @property
    def gains(self) -> pd.Series:
        """The differences, improvements above 0."""
        return self.score.sign * self.differences

    @property
    def verdict(self) -> str | None:
        """By the region of practical equivalence alone; None where the score has none."""
        return paired.verdict(interval(self.gains), self.score.rope) if self.score.rope else None

    def row(self) -> dict[str, Any]:
        """The columns of this duel, before correction for the others."""
        values, differences = self.score.of(self.comparison.done(self.contender)), self.differences
        mine, theirs = interval(values), interval(differences)
        number = len(self.comparison.challengers)
        return {
            "n": mine.n,
            "n_diverged": self.comparison.n_diverged(self.contender),
            "mean": mine.mean,
            "sd": values.std(ddof=1),
            "half": mine.half,
            "n_pairs": theirs.n,
            "difference": theirs.mean,
            "difference_sd": differences.std(ddof=1),
            "difference_half": theirs.half,
            "difference_unit": self.score.difference_unit,
            "p": self.p,
            "p_sign_flip": self.p_sign_flip,
            "d_z": paired.d_z(differences),
            "p_improvement": paired.p_improvement(self.gains),
            "rope": self.score.rope,
            "refused": self.refused,
            "comparisons": number,
            "test": TEST,
            "correction": f"Holm over {number} comparison{'s' * (number != 1)}",
        }


def _budget(comparison: Comparison, contender: Contender) -> dict[str, int]:
    """What was spent on choosing the contender's strength."""
    tried = comparison.tried(contender)
    return {"strengths": max(len(tried), 1), "tune_runs": int(tried["n"].sum())}
