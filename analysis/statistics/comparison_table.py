"""Every contender against the baseline on the report seeds: `tables/comparison.parquet`.

Differences are paired by seed. The baseline has no strength, so there is nothing in it to tune; the
settings that it shares with its contenders (learning rate, epochs, …) are tuned for none of them.
`strengths` and `tune_runs` say what was spent on the choice of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from analysis.statistics import looks, paired_tests
from analysis.statistics.contenders import Comparison, comparisons
from analysis.statistics.paired_differences import Duel, duels
from analysis.statistics.scores import DEFAULT, Score, score, suffix
from analysis.statistics.strength_selection import Cell
from analysis.tables.store_tables import Tables, records, to_frame

COMPARISON = pa.schema(
    [
        ("dataset", pa.string()),
        ("per_class", pa.int64()),
        ("model", pa.string()),
        ("regularizer", pa.string()),
        ("strength", pa.string()),
        ("metric", pa.string()),  # a name of `analysis.statistics.scores.SCORES`
        ("n", pa.int64()),  # report seeds that did not diverge, measured alike
        ("n_diverged", pa.int64()),
        ("n_unmeasured", pa.int64()),  # of the others: not measured, or otherwise than the sweep asks for now
        ("mean", pa.float64()),  # over the n seeds; accuracies in %
        ("sd", pa.float64()),
        ("half", pa.float64()),  # half the width of the mean's 95% t-interval
        ("n_pairs", pa.int64()),  # seeds that did not diverge here nor in the baseline
        ("difference", pa.float64()),  # mean of contender − baseline over the pairs
        ("difference_sd", pa.float64()),
        ("difference_half", pa.float64()),
        ("difference_unit", pa.string()),  # pp, nats, ln ratio (for people a ratio), or `` for a pure number
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
        ("added", pa.string()),  # to the sweep after results were first compared; null where nothing was
    ]
)
TEST = "two-sided t-test of {} paired by seed; check: sign-flip permutation test"


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
    found, budgets = score(metric), _budgets(tables)
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
    p_holm = paired_tests.holm([duel.p for duel in challengers])
    flips_holm = paired_tests.holm([duel.p_sign_flip for duel in challengers])
    corrected = {
        duel.contender: _conclusion(duel, *p)
        for duel, *p in zip(challengers, p_holm, flips_holm, strict=True)
    }
    problem, number = vars(comparison.problem), len(challengers)
    for duel in all_duels:
        strengths, runs = budgets.get(Cell(**problem, regularizer=duel.contender.regularizer), (1, 0))
        yield {
            **problem,
            **vars(duel.contender),
            **duel.row(),
            **corrected.get(duel.contender, {}),
            "test": TEST.format("log ratios" if score.is_ratio else "differences"),
            "correction": f"Holm over {number} comparison{'s' * (number != 1)}",
            "rule": comparison.rule,
            "strengths": strengths,
            "tune_runs": runs,
            "added": added,
        }


def _conclusion(duel: Duel, p_holm: float, p_sign_flip_holm: float) -> dict[str, Any]:
    """What is said once it is known how many comparisons there are; nothing where it was refused."""
    if not duel.tested:
        return {}
    significant = p_holm <= paired_tests.ALPHA
    verdict = duel.verdict
    return {
        "p_holm": p_holm,
        "p_sign_flip_holm": p_sign_flip_holm,
        "significant": significant,
        "confirmed": significant == (p_sign_flip_holm <= paired_tests.ALPHA),
        "verdict": "undecided" if verdict in ("better", "worse") and not significant else verdict,
    }


def _budgets(tables: Tables) -> dict[Cell, tuple[int, int]]:
    """Of each regularizer on each problem: how many strengths were tried, and how many runs that took."""
    budgets: dict[Cell, tuple[int, int]] = {}
    for row in [] if tables.selection is None else records(tables.selection):
        cell = Cell.of(row | {"per_class": None if pd.isna(row["per_class"]) else int(row["per_class"])})
        strengths, runs = budgets.get(cell, (0, 0))
        budgets[cell] = strengths + 1, runs + row["n"]
    return budgets
