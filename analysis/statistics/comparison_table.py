"""Every contender against the baseline on the report seeds: `tables/comparison.parquet`.

Differences are paired by seed. The settings that the baseline shares with its contenders (learning rate,
epochs, …) are tuned for each of them, the baseline included, or, where the sweep has no `tune`, for none.
`strengths` and `tune_runs` say what was spent on the choice of each.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from analysis.statistics import looks, paired_tests, seeds_needed
from analysis.statistics.contenders import Comparison, comparisons
from analysis.statistics.paired_differences import Duel, duels
from analysis.statistics.scores import DEFAULT, Score, score, suffix
from analysis.statistics.strength_selection import Cell
from analysis.tables.store_tables import Tables, records, to_frame

COMPARISON = pa.schema(
    [
        ("dataset", pa.string()),  # the problem: data set,
        ("per_class", pa.int64()),  # examples of each class; null: all,
        ("model", pa.string()),  # and network, with what is listed under `training`
        ("regularizer", pa.string()),  # the sweep's name for the entry
        ("strength", pa.string()),  # the one that was chosen; in a sweep that chooses none, each
        ("baseline", pa.string()),  # the regularizer that it is compared with
        ("metric", pa.string()),  # a name of `analysis.statistics.scores.SCORES`
        ("n", pa.int64()),  # report seeds measured alike; diverged ones as constant guesses, where scored
        ("n_diverged", pa.int64()),  # of all its report runs
        ("n_unmeasured", pa.int64()),  # of the others: not measured, or otherwise than the sweep asks for now
        ("mean", pa.float64()),  # over the n seeds; accuracies in %
        ("sd", pa.float64()),  # standard deviation over these
        ("half", pa.float64()),  # half the width of the mean's 95% t-interval
        ("survivors_mean", pa.float64()),  # over the seeds that did not diverge
        ("survivors_half", pa.float64()),  # half the width of its 95% t-interval
        ("counted", pa.bool_()),  # whether diverged runs are among the n
        ("unstable", pa.bool_()),  # more diverged than something is concluded with
        ("n_pairs", pa.int64()),  # seeds that are counted here and in the baseline
        ("difference", pa.float64()),  # mean of contender − baseline over the pairs
        ("difference_sd", pa.float64()),  # its standard deviation over the pairs
        ("difference_half", pa.float64()),  # of its own 95% t-interval
        ("difference_family_half", pa.float64()),  # with 95% these cover all of the problem's at once
        ("over", pa.string()),  # what intervals and tests cover: seeds, or seeds and so many examples
        ("difference_unit", pa.string()),  # pp, nats, ln ratio (for people a ratio), or `` for a pure number
        ("p", pa.float64()),  # of `test`
        ("p_holm", pa.float64()),  # corrected for all comparisons of the problem
        ("significant", pa.bool_()),  # p_holm ≤ 0.05: there is a difference
        ("p_sign_flip", pa.float64()),  # of the check, an exact sign-flip test
        ("p_sign_flip_holm", pa.float64()),  # the same, corrected
        ("confirmed", pa.bool_()),  # of significant ones: the check, corrected, is at most 0.05, too
        ("d_z", pa.float64()),  # difference over difference_sd
        ("p_improvement", pa.float64()),  # share of the pairs in which the contender is better
        ("p_improvement_low", pa.float64()),  # its exact 95% interval
        ("p_improvement_high", pa.float64()),  # and its other end
        ("rope", pa.float64()),  # differences within ±rope do not matter
        ("p_beyond", pa.float64()),  # that it lies within, two-sided
        ("p_beyond_holm", pa.float64()),  # the same, corrected
        ("p_equivalent", pa.float64()),  # that it lies outside (two one-sided tests)
        ("p_equivalent_holm", pa.float64()),  # the same, corrected
        ("verdict", pa.string()),  # better | worse (beyond ±rope) | equivalent (within) | undecided
        ("refused", pa.string()),  # why nothing is concluded; null where something is
        ("comparisons", pa.int64()),  # of this problem: what the correction is for
        ("test", pa.string()),  # in words
        ("correction", pa.string()),  # in words
        ("rule", pa.string()),  # how the strength was chosen
        ("strengths", pa.int64()),  # that it was chosen from
        ("tune_runs", pa.int64()),  # that were trained for the choice
        ("added", pa.string()),  # to the sweep after results were first compared; null where nothing was
    ]
)
TEST = "two-sided t-test of {} paired by seed; check: sign-flip permutation test"
CORRECTION = "Holm over {}, each kind of test by itself; intervals of differences: Bonferroni"


def name(metric: str = DEFAULT) -> str:
    """The name of a metric's table: `comparison`, and for others than accuracy its name after that."""
    return f"comparison{suffix(metric)}"


def compare(tables: Tables, metric: str = DEFAULT) -> pd.DataFrame:
    """One row a problem and contender, the baseline's first; columns as in `COMPARISON`.

    What a row cannot say is missing in it: differences of the baseline, conclusions where `refused`
    says why there is none, a verdict where the metric has no region of practical equivalence.

    Raises:
        UserError: unknown metric, or there is no finished report run.
    """
    found, budgets = score(metric, tables.region), _budgets(tables)
    rows = [
        {"metric": metric, **row}
        for comparison in comparisons(tables)
        for row in _rows(comparison, found, budgets, looks.added(tables, comparison.problem))
    ]
    return to_frame(rows, COMPARISON)


def _rows(
    comparison: Comparison, score: Score, budgets: Mapping[Cell, tuple[int, int]], added: str | None
) -> Iterator[dict[str, Any]]:
    all_duels = duels(comparison, score)
    challengers = [duel for duel in all_duels if not duel.is_baseline]
    tests = ("p", "p_sign_flip", "p_beyond", "p_equivalent")
    families = [paired_tests.holm([getattr(duel, test) for duel in challengers]) for test in tests]
    corrected = {
        duel.contender: _conclusion(duel, *p) for duel, *p in zip(challengers, *families, strict=True)
    }
    problem, number = vars(comparison.problem), len(challengers)
    for duel in all_duels:
        strengths, runs = budgets.get(Cell(**problem, regularizer=duel.contender.regularizer), (1, 0))
        yield {
            **problem,
            **vars(duel.contender),
            "baseline": comparison.baseline.regularizer if comparison.baseline else None,
            **duel.row(),
            **corrected.get(duel.contender, {}),
            "test": TEST.format("log ratios" if score.is_ratio else "differences"),
            "correction": CORRECTION.format(f"{number} comparison{'s' * (number != 1)}"),
            "rule": comparison.rule,
            "strengths": strengths,
            "tune_runs": runs,
            "added": added,
        }


def _conclusion(
    duel: Duel, p_holm: float, p_sign_flip_holm: float, p_beyond_holm: float, p_equivalent_holm: float
) -> dict[str, Any]:
    """What is said once it is known how many comparisons there are; nothing where it was refused.

    What lies beyond the region differs from 0, which the check has to confirm.
    """
    if not duel.tested:
        return {}
    significant = p_holm <= seeds_needed.ALPHA
    confirmed = p_sign_flip_holm <= seeds_needed.ALPHA if significant else None
    verdict = None
    if duel.rope:
        beyond = p_beyond_holm if confirmed else math.inf
        verdict = paired_tests.verdict(duel.gain.mean, beyond, p_equivalent_holm)
    return {
        "p_holm": p_holm,
        "p_sign_flip_holm": p_sign_flip_holm,
        "p_beyond_holm": p_beyond_holm,
        "p_equivalent_holm": p_equivalent_holm,
        "significant": significant,
        "confirmed": confirmed,
        "verdict": verdict,
    }


def _budgets(tables: Tables) -> dict[Cell, tuple[int, int]]:
    """Of each regularizer on each problem: how many strengths were tried, and how many runs that took."""
    budgets: dict[Cell, tuple[int, int]] = {}
    for row in [] if tables.selection is None else records(tables.selection):
        few = None if pd.isna(row["per_class"]) else int(row["per_class"])
        cell = Cell.of(row | {"per_class": few, "repetition": 0})
        strengths, runs = budgets.get(cell, (0, 0))
        budgets[cell] = strengths + (not row.get("repetition")), runs + row["n"]
    return budgets
