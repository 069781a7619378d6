"""How much a strength matters: the score over all strengths tried: `tables/sensitivity.parquet`.

The score is the one that strengths are chosen by, on the seeds that they are chosen on; in a sweep that
chooses none, validation accuracy over all seeds. A plateau is the row of neighbouring strengths whose
score is at most the region of practical equivalence below that of the strength chosen (or best).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import pyarrow as pa

from analysis.notation.intervals import half_width
from analysis.statistics.contenders import Contender, contender_order, of_problem
from analysis.statistics.scores import SCORES, Score
from analysis.statistics.strength_selection import choose
from analysis.tables.collect import strength_order
from analysis.tables.region import Region
from analysis.tables.store_tables import Problem, Tables, records, to_frame

SENSITIVITY = pa.schema(
    [
        ("dataset", pa.string()),  # the problem: data set,
        ("per_class", pa.int64()),  # examples of each class; null: all,
        ("model", pa.string()),  # and network
        ("regularizer", pa.string()),  # the sweep's name for the entry
        ("strength", pa.string()),  # one that was tried, as text
        ("strength_value", pa.float64()),  # null where there is none or more than one
        ("metric", pa.string()),  # the score that strengths are chosen by
        ("n", pa.int64()),  # seeds
        ("n_diverged", pa.int64()),  # they enter the mean as constant guesses
        ("mean", pa.float64()),  # accuracies in %
        ("half", pa.float64()),  # half the width of its 95% t-interval
        ("chosen", pa.bool_()),  # false throughout in a sweep that chooses none
        ("shortfall", pa.float64()),  # by which it is worse than the strength chosen, or best
        ("tolerance", pa.float64()),  # the shortfall that does not matter; null for losses
        ("on_plateau", pa.bool_()),  # whether its shortfall does not matter, as those between
        ("plateau_strengths", pa.int64()),  # on the plateau, of `strengths` tried
        ("strengths", pa.int64()),  # how many were tried
        ("plateau_low", pa.float64()),  # smallest on it; as the next two null for combinations
        ("plateau_high", pa.float64()),  # largest
        ("plateau_decades", pa.float64()),  # log10(high / low); null where low is 0
        ("at_edge", pa.bool_()),  # the strength chosen, or best, is the smallest or largest tried
        ("rule", pa.string()),  # how the strength was chosen
    ]
)
_PROBLEM = ["dataset", "per_class", "model"]
_UNTUNED = "validation_accuracy"
_ROUNDING = 1e-9


def sensitivity(tables: Tables, problem: Problem | None = None) -> pd.DataFrame:
    """One row a problem (all, or that one), regularizer and strength, regularizers in the usual order.

    Columns as in `SENSITIVITY`.
    """
    selection = tables.selection
    if selection is None:
        report = tables.results[tables.results["phase"] == "report"]
        selection = pd.DataFrame(choose(records(_of(report, problem)), _UNTUNED))
        if selection.empty:
            return to_frame([], SENSITIVITY)
    tuned = tables.selection is not None
    rows = [
        row
        for _, mine in _of(selection, problem).groupby(_PROBLEM, dropna=False, sort=False)
        for _, cell in sorted(mine.groupby("regularizer"), key=lambda item: _order(item[0]))
        for row in _rows(cell, tuned, tables.region)
    ]
    return to_frame(rows, SENSITIVITY)


def _of(frame: pd.DataFrame, problem: Problem | None) -> pd.DataFrame:
    return frame if problem is None else frame[of_problem(frame, problem)]


def _order(regularizer: object) -> tuple[object, ...]:
    return contender_order(Contender(str(regularizer), ""))


def _rows(cell: pd.DataFrame, tuned: bool, region: Region | None) -> Iterator[dict[str, Any]]:
    cell = cell.sort_values("strength", key=lambda column: column.map(strength_order), kind="stable")
    rows = records(cell)
    score = SCORES[rows[0]["metric"]]
    if region:
        score = replace(score, region=region)
    best = next(place for place, row in enumerate(rows) if row["chosen"])
    shortfalls = [score.factor * score.sign * (rows[best]["mean"] - row["mean"]) for row in rows]
    values = [_value(row["strength"]) for row in rows]
    tolerance = score.rope(score.factor * rows[best]["mean"])
    plateau = _plateau(shortfalls, best, tolerance, one_dimensional=None not in values)
    about = _about(values, plateau, best)
    for place, row in enumerate(rows):
        yield {
            **row,
            **about,
            "strength_value": values[place],
            "mean": score.factor * row["mean"],
            "half": float(score.factor * half_width(row["sd"], row["n"])) if pd.notna(row["sd"]) else None,
            "chosen": bool(row["chosen"] and tuned),
            "shortfall": shortfalls[place],
            "tolerance": tolerance,
            "on_plateau": place in plateau if plateau else None,
            "rule": row["rule"] if tuned else _rule(score),
        }


def _value(strength: str) -> float | None:
    return float(strength) if strength and "=" not in strength else None


def _plateau(
    shortfalls: Sequence[float], best: int, tolerance: float | None, one_dimensional: bool
) -> list[int]:
    """The places of the strengths on the plateau: neighbours where strengths have an order, else all.

    Empty without a tolerance.
    """
    if tolerance is None:
        return []
    near = [shortfall <= tolerance + _ROUNDING for shortfall in shortfalls]
    places = range(len(shortfalls))
    if not one_dimensional:
        return [place for place in places if near[place]]
    low = next((place + 1 for place in reversed(places[:best]) if not near[place]), 0)
    high = next((place for place in places[best:] if not near[place]), len(places))
    return list(range(low, high))


def _about(values: Sequence[float | None], plateau: Sequence[int], best: int) -> dict[str, Any]:
    """What all rows of one regularizer say of its plateau."""
    found: dict[str, Any] = {"strengths": len(values), "plateau_strengths": len(plateau) or None}
    if None in values:
        return found
    found["at_edge"] = best in (0, len(values) - 1) if len(values) > 1 else None
    if plateau:
        low, high = (float(values[place] or 0.0) for place in (plateau[0], plateau[-1]))
        found |= {"plateau_low": low, "plateau_high": high}
        found["plateau_decades"] = math.log10(high / low) if low > 0 else None
    return found


def _rule(score: Score) -> str:
    return f"none was selected; the best mean {score.what} over all seeds is the reference"
