"""What a sweep leaves open that a reader of its conclusions must know, in sentences, problem by problem."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from analysis.notation.methods import method
from analysis.notation.number_text import count
from analysis.statistics.contenders import Comparison, comparisons, of_problem
from analysis.statistics.open_ends import FITTED, edge_sentence, not_fitted
from analysis.tables.collect import at_edges, strength_numbers
from analysis.tables.store_tables import Problem, Tables


def unfinished(tables: Tables, strengths: pd.DataFrame) -> dict[Problem, list[str]]:
    """`strengths` is what `analysis.statistics.sensitivity` has of the same tables."""
    return {
        comparison.problem: [
            *_no_baseline(comparison),
            *_not_fitted(comparison),
            *_at_edge(strengths[of_problem(strengths, comparison.problem)]),
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


def _at_edge(rows: pd.DataFrame) -> Iterator[str]:
    edge = rows["at_edge"].fillna(False).astype(bool)
    best = rows[edge & rows["chosen"]]
    said = []
    for _, row in best.iterrows():
        tried = rows.loc[rows["regularizer"] == row["regularizer"], "strength"]
        numbers = strength_numbers(row["strength"])
        ends = [
            f"{f'{name} = ' * bool(name)}{numbers[name]:g}, the {end}"
            for name, end in at_edges(row["strength"], tried).items()
        ]
        said.append(f"{method(row['regularizer']).label} ({'; '.join(ends)})")
    if said:
        yield edge_sentence(said)


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
