"""What a sweep leaves open that a reader of its conclusions must know, in sentences, problem by problem."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.notation.methods import method
from analysis.notation.number_text import count
from analysis.statistics import seeds_needed
from analysis.statistics.contenders import Comparison, comparisons, of_problem
from analysis.statistics.open_ends import FITTED, chosen_edges, edge_sentence, edges, not_fitted
from analysis.tables.store_tables import Problem, Tables, records


def unfinished(tables: Tables, strengths: pd.DataFrame, compared: pd.DataFrame) -> dict[Problem, list[str]]:
    """`strengths` and `compared` are what `sensitivity` and `comparison_table` have of the same tables."""
    return {
        comparison.problem: [
            *_no_baseline(comparison),
            *_not_fitted(comparison),
            *_at_edge(strengths[of_problem(strengths, comparison.problem)], tables),
            *_near_edge(
                strengths[of_problem(strengths, comparison.problem)],
                compared[of_problem(compared, comparison.problem)],
            ),
            *_did_nothing(comparison),
        ]
        for comparison in comparisons(tables)
    }


def _no_baseline(comparison: Comparison) -> Iterator[str]:
    if comparison.baseline is None:
        yield (
            "There is no baseline: nothing is compared. An entry of the technique none is one, or the entry "
            "that `baseline:` in the sweep names, at one strength"
        )


def _not_fitted(comparison: Comparison) -> Iterator[str]:
    """A regularizer that speeds up training looks like one that generalises, where training ends early."""
    if comparison.baseline is None:
        return
    reached = comparison.done(comparison.baseline)["train_accuracy"].mean()
    if reached < FITTED:
        yield not_fitted(reached)


def _at_edge(rows: pd.DataFrame, tables: Tables) -> Iterator[str]:
    said = []
    for name, cell in rows.groupby("regularizer", sort=False):
        tried = records(cell)
        for ends in (chosen_edges(row, tried) for row in tried if row["chosen"]):
            said += [f"{method(str(name)).label} ({'; '.join(ends)})"] if ends else []
    if said:
        (first,) = tables.rows("selection").slice(0, 1).to_pylist()
        yield edge_sentence(said, first)


def _near_edge(rows: pd.DataFrame, compared: pd.DataFrame) -> Iterator[str]:
    """Of those shown to differ: by luck, the choice may lie within a grid beyond which the best is."""
    shown = compared.loc[[each is True for each in compared["confirmed"]], "regularizer"]
    said = [
        f"{method(str(name)).label} ({'; '.join(ends)})"
        for name, tried in rows[rows["regularizer"].isin(set(shown))].groupby("regularizer", sort=False)
        if (ends := near_edges(records(tried)))
    ]
    if said:
        yield (
            "Strengths at the edge of what was tried are not shown to score worse than the one chosen for "
            f"{', '.join(said)}: a better one may lie beyond, so try some there"
        )


def near_edges(tried: Sequence[Mapping[str, Any]]) -> list[str]:
    """The edges that are not shown to be worse than the strength chosen, which itself is at none.

    Nor is one that scores as well as another inside: then its own edge is among these. `tried` are the rows
    that `sensitivity` has of one regularizer on one problem.
    """
    chosen = [row for row in tried if row["chosen"]]
    if not chosen or chosen_edges(chosen[0], tried):
        return []
    near = [row for row in tried if row["chosen"] or not row["p_worse"] <= seeds_needed.ALPHA]
    return list(dict.fromkeys(end for row in near for end in edges(row, tried)))


def _did_nothing(comparison: Comparison) -> Iterator[str]:
    results = comparison.results
    idle = results[results["did_nothing"].notna()]
    for (regularizer, strength, what), rows in idle.groupby(["regularizer", "strength", "did_nothing"]):
        all_runs = (results["regularizer"] == regularizer) & (results["strength"] == strength)
        yield (
            f"{what} did nothing in {len(rows)} of {count(int(all_runs.sum()), 'run')} of "
            f"{method(str(regularizer)).label}{f' ({strength})' * bool(strength)}: the gradient of its "
            "penalty stayed below a millionth of the loss's"
        )
