"""How much a strength matters: the score over all strengths tried: `tables/sensitivity.parquet`.

The score is the one that strengths are chosen by, on the seeds that they are chosen on; in a sweep that
chooses none, validation accuracy over all seeds. A plateau is the row of neighbouring strengths whose
score is at most the region of practical equivalence below that of the strength chosen (or best). How many
it has is uncertain, too: at least those whose shortfall, paired by seed, is shown to be within the region, at
most those whose shortfall is not shown to be beyond it, by intervals that with 95% hold for all strengths of
the regularizer at once. The reference being the best of those tried, the others look a little worse than they
are.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import pyarrow as pa

from analysis.notation.intervals import half_width
from analysis.statistics.contenders import of_problem
from analysis.statistics.estimates import Estimate, over_seeds
from analysis.statistics.open_ends import chosen_edges
from analysis.statistics.scores import SCORES, Score
from analysis.statistics.strength_selection import choose, counted, weakest_first, with_ends
from analysis.tables.region import Region
from analysis.tables.store_tables import Problem, Tables, records, to_frame
from analysis.tables.strength_text import strength_numbers, strength_order

SENSITIVITY = pa.schema(
    [
        ("dataset", pa.string()),  # the problem: data set,
        ("per_class", pa.int64()),  # examples of each class; null: all,
        ("model", pa.string()),  # and network, with what is listed under `training`
        ("regularizer", pa.string()),  # the sweep's name for the entry
        ("strength", pa.string()),  # one that was tried, as text
        ("strength_value", pa.float64()),  # null where there is none or more than one
        ("ended", pa.string()),  # what of it is a number beyond which none is valid
        ("along", pa.string()),  # which of several numbers alone differs from the setting chosen, or best
        ("metric", pa.string()),  # the score that strengths are chosen by
        ("n", pa.int64()),  # seeds
        ("n_diverged", pa.int64()),  # they enter the mean as constant guesses
        ("mean", pa.float64()),  # accuracies in %
        ("half", pa.float64()),  # half the width of its 95% t-interval
        ("chosen", pa.bool_()),  # false throughout in a sweep that chooses none
        ("shortfall", pa.float64()),  # by which it is worse than the strength chosen, or best
        ("shortfall_half", pa.float64()),  # half its interval; with 95% they hold for all strengths at once
        ("p_worse", pa.float64()),  # one-sided, paired by seed: that it is no worse; null for itself
        ("tolerance", pa.float64()),  # the shortfall that does not matter; null for losses
        ("on_plateau", pa.bool_()),  # whether its shortfall does not matter, as those between
        ("plateau_strengths", pa.int64()),  # on the plateau, of `strengths` tried
        ("plateau_at_least", pa.int64()),  # how many of these at least, with 95%
        ("plateau_at_most", pa.int64()),  # and at most
        ("strengths", pa.int64()),  # how many were tried
        ("plateau_low", pa.float64()),  # smallest on it; as the next two null for combinations
        ("plateau_high", pa.float64()),  # largest
        ("plateau_decades", pa.float64()),  # log10(high / low); null where low is 0
        ("at_edge", pa.bool_()),  # whether that chosen, or best, is on an edge, nothing as good inside
        ("rule", pa.string()),  # how the strength was chosen
    ]
)
_PROBLEM = ["dataset", "per_class", "model"]
_UNTUNED = "validation_accuracy"
_ROUNDING = 1e-9

BySeed = Mapping[tuple[Any, ...], Mapping[int, float]]
"""What the runs of one strength count as, by its cell and strength."""


def sensitivity(tables: Tables, problem: Problem | None = None) -> pd.DataFrame:
    """One row a problem (all, or that one), regularizer and strength, regularizers in the usual order.

    Columns as in `SENSITIVITY`.
    """
    selection, tuned = tables.selection, tables.selection is not None
    metric = _UNTUNED if selection is None else str(selection["metric"].iloc[0])
    runs = _of(tables.results, problem)
    runs = runs[runs["phase"] == ("tune" if tuned else "report")]
    if selection is None or tables.repetitions > 1:  # all seeds together, whoever chose on which
        planned = records(tables.runs)
        rows = choose(records(runs), metric, weakest_first(planned, tables.words))
        selection = pd.DataFrame(with_ends(rows, planned, tables.words))
        if selection.empty:
            return to_frame([], SENSITIVITY)
    by_seed = _by_seed(runs, metric)
    rows = [
        row
        for _, mine in _of(selection, problem).groupby(_PROBLEM, dropna=False, sort=False)
        for _, cell in sorted(mine.groupby("regularizer"), key=lambda item: tables.place(str(item[0])))
        for row in _rows(cell, by_seed, tuned and tables.repetitions, tables.region)
    ]
    return to_frame(rows, SENSITIVITY)


def is_best(mine: pd.DataFrame) -> pd.Series:
    """Where the row of the setting chosen, or best, is; others may score as well (only they have a p)."""
    best = mine["shortfall"] == 0
    for sign in (mine["chosen"], mine["p_worse"].isna()):
        best = best & sign if (best & sign).any() else best
    return best


def _by_seed(runs: pd.DataFrame, metric: str) -> BySeed:
    found: dict[tuple[Any, ...], dict[int, float]] = defaultdict(dict)
    wanted = [*_PROBLEM, "regularizer", "strength", "seed", "state", "classes", metric]
    for run in records(runs[wanted]):
        found[_key(run)][run["seed"]] = counted(run, metric)
    return found


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    few = row["per_class"]
    names = ("dataset", "model", "regularizer", "strength")
    return (None if pd.isna(few) else int(few), *(row[name] for name in names))


def _of(frame: pd.DataFrame, problem: Problem | None) -> pd.DataFrame:
    return frame if problem is None else frame[of_problem(frame, problem)]


def _rows(
    cell: pd.DataFrame, by_seed: BySeed, repetitions: int, region: Region | None
) -> Iterator[dict[str, Any]]:
    """`repetitions` is how often a strength was chosen; 0 where none was."""
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
    if len(rows) > 1:
        about["at_edge"] = bool(chosen_edges(rows[best], rows))
    estimates = _shortfalls(rows, by_seed, best, score)
    halves = [0.0 if each is estimates[best] else _half(each, len(rows) - 1) for each in estimates]
    if plateau:
        ends = [
            [short + sign * half for short, half in zip(shortfalls, halves, strict=True)] for sign in (1, -1)
        ]
        ordered = None not in values
        about["plateau_at_least"], about["plateau_at_most"] = (
            len(_plateau(each, best, tolerance, one_dimensional=ordered)) for each in ends
        )
    for place, row in enumerate(rows):
        yield {
            **row,
            **about,
            "strength_value": values[place],
            "along": _along(row["strength"], rows[best]["strength"]),
            "mean": score.factor * row["mean"],
            "half": float(score.factor * half_width(row["sd"], row["n"])) if pd.notna(row["sd"]) else None,
            "chosen": bool(row["chosen"] and repetitions),
            "shortfall": shortfalls[place],
            "shortfall_half": halves[place] if math.isfinite(halves[place]) else None,
            "p_worse": estimates[place].above(0.0) if place != best else None,
            "tolerance": tolerance,
            "on_plateau": place in plateau if plateau else None,
            "rule": _rule(score, row["rule"], repetitions),
        }


def _shortfalls(
    rows: Sequence[Mapping[str, Any]], by_seed: BySeed, best: int, score: Score
) -> list[Estimate]:
    """By how much each strength is worse than the best, paired by seed."""
    reference, found = by_seed[_key(rows[best])], []
    for row in rows:
        mine = by_seed[_key(row)]
        seeds = mine.keys() & reference.keys()
        found.append(over_seeds([score.factor * score.sign * (reference[s] - mine[s]) for s in seeds]))
    return found


def _half(shortfall: Estimate, family: int) -> float:
    """Half its interval, of a family; ∞ where there are too few seeds to have one."""
    half = shortfall.interval(family).half
    return math.inf if math.isnan(half) else half


def _along(strength: str, best: str) -> str | None:
    """The one number in which a setting of several differs from the best."""
    mine, theirs = strength_numbers(strength), strength_numbers(best)
    differing = [name for name in mine if mine[name] != theirs.get(name)]
    return differing[0] if len(mine) > 1 and len(differing) == 1 else None


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
    if plateau:
        low, high = (float(values[place] or 0.0) for place in (plateau[0], plateau[-1]))
        found |= {"plateau_low": low, "plateau_high": high}
        found["plateau_decades"] = math.log10(high / low) if low > 0 else None
    return found


def _rule(score: Score, rule: str, repetitions: int) -> str:
    if not repetitions:
        return f"none was selected; the best mean {score.what} over all seeds is the reference"
    again = f"; here over the tune seeds of all {repetitions} repetitions, each of which chose anew"
    return rule + again * (repetitions > 1)
