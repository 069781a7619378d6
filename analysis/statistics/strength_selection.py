"""Strengths from the tune seeds: for every regularizer on every dataset, the one that validates best.

The report seeds take no part in the choice, so their test scores stay free of selection bias.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import zip_longest
from statistics import fmean, stdev
from types import MappingProxyType
from typing import Any, NamedTuple

import pyarrow as pa

from analysis.statistics import constant_guess as guess
from analysis.statistics.merit import equals_of, merit
from analysis.tables.collect import collect
from analysis.tables.strength_text import at_ends, strength_order
from regularize.config_text import config_values
from regularize.errors import UserError, one_of
from regularize.store import Store, read_table, write_table
from regularize.technique_words import Words, ends_of, kept_words, larger_is_weaker

SELECTION = pa.schema(
    [
        ("dataset", pa.string()),  # the problem: data set,
        ("per_class", pa.int64()),  # examples of each class; null: all,
        ("model", pa.string()),  # and network, with what is listed under `training`
        ("regularizer", pa.string()),  # the sweep's name for the entry
        ("repetition", pa.int64()),  # of choosing and reporting; 0 where the sweep chooses once
        ("strength", pa.string()),  # one that was tried, as text
        ("ended", pa.string()),  # what of it is a number beyond which none is valid, or trains otherwise
        ("chosen", pa.bool_()),  # whether report runs are trained at it
        ("n", pa.int64()),  # tune seeds
        ("mean", pa.float64()),  # of the metric; a diverged run counts as a constant guess
        ("sd", pa.float64()),  # null for one seed, or where a run's loss is infinite
        ("n_diverged", pa.int64()),  # of these
        ("metric", pa.string()),  # what it is chosen by
        ("rule", pa.string()),  # how it was chosen, in words
        ("widen", pa.int64()),  # how many times a grid may go on beyond an edge
        ("budget", pa.int64()),  # settings drawn for each entry; null: all that lists give
    ]
)
_PLANNED = ("run_id", "dataset", "per_class", "model", "regularizer", "strength", "repetition", "config")
GUESS: Mapping[str, Callable[[float], float]] = {
    "validation_accuracy": guess.accuracy,
    "validation_loss": guess.loss,
}

COUNTED = "a diverged run counts as a constant guess"

Row = Mapping[str, Any]


class Cell(NamedTuple):
    """What one strength is chosen for."""

    dataset: str
    per_class: int | None
    model: str
    regularizer: str
    repetition: int = 0

    @classmethod
    def of(cls, row: Row) -> Cell:
        """Of a row that has its columns; one without a repetition is of the only one."""
        dataset, few, model, regularizer = (row[name] for name in cls._fields[:-1])
        return cls(dataset, few, model, regularizer, row.get("repetition") or 0)

    def __str__(self) -> str:
        few = f" ({self.per_class} per class)" if self.per_class is not None else ""
        again = f", repetition {self.repetition + 1}" if self.repetition else ""
        return f"{self.dataset}{few} {self.model} {self.regularizer}{again}"


Order = Callable[[Cell, str], tuple[float, ...]]
"""What to sort the strengths of a cell by."""


def missing(store: Store, among: Collection[str] | None = None) -> list[dict[str, Any]]:
    """The planned tune runs (`among` these) without a result yet: rows of `runs`, in the tables' order."""
    collect(store, ("runs", "results"))
    finished = set(read_table(store.table("results"), ["run_id"])["run_id"].to_pylist())
    runs = read_table(store.table("runs")).to_pylist()
    return [run for run in runs if _tune(run, among) and run["run_id"] not in finished]


def _tune(row: Row, among: Collection[str] | None) -> bool:
    return row["phase"] == "tune" and (among is None or row["run_id"] in among)


def select(
    store: Store,
    metric: str = "validation_accuracy",
    among: Collection[str] | None = None,
    *,
    widen: int = 0,
    budget: int | None = None,
) -> dict[Cell, str]:
    """Choose strengths, write `tables/selection.parquet`, return the strength of every cell.

    Chosen is by the tune runs, or those `among` them. Empty for a sweep without tune seeds. `widen` and
    `budget` are the sweep's, and are written beside the choice: what it leaves open depends on them.

    Raises:
        UserError: unknown metric, or tune runs without a result.
    """
    if metric not in GUESS:
        raise UserError(f"metric is {metric!r}, but must be {one_of(metric, GUESS)}")
    among = None if among is None else set(among)
    if waiting := missing(store, among):
        counts = Counter(str(Cell.of(run)) for run in waiting)
        listed = ", ".join(f"{cell}: {count}" for cell, count in counts.items())
        raise UserError(f"no strength can be chosen while {len(waiting)} tune runs have no result ({listed})")
    tuned = [row for row in read_table(store.table("results")).to_pylist() if _tune(row, among)]
    if not tuned:
        return {}
    runs = read_table(store.table("runs"), _PLANNED).to_pylist()
    words = kept_words(store)
    rows = choose(with_repetitions(tuned, runs), metric, weakest_first(runs, words))
    rows = [{**row, "widen": widen, "budget": budget} for row in with_ends(rows, runs, words)]
    write_table(store.table("selection"), rows, SELECTION)
    return {Cell.of(row): row["strength"] for row in rows if row["chosen"]}


def with_repetitions(results: Iterable[Row], runs: Iterable[Row]) -> list[Row]:
    """Rows of results with the repetition that the table of runs has them in."""
    repetitions = {run["run_id"]: run["repetition"] for run in runs}
    return [{**row, "repetition": repetitions[row["run_id"]]} for row in results]


def weakest_first(runs: Iterable[Row], words: Mapping[str, Words] = MappingProxyType({})) -> Order:
    """What to sort the strengths of a cell by so that the weakest comes first, then the lowest settings.

    By configuration: which way a technique is weaker is its own (for hard SVB the wider band).
    """
    terms = _terms(runs)

    def order(cell: Cell, strength: str) -> tuple[float, ...]:
        known = terms(cell, strength)
        if known is None:
            return strength_order(strength)
        signs = [-1 if larger_is_weaker(technique, name, words) else 1 for technique, name in known]
        numbers = strength_order(strength)
        return tuple(sign * number for sign, number in zip_longest(signs, numbers, fillvalue=1))

    return order


def with_ends(
    rows: Iterable[Row], runs: Iterable[Row], words: Mapping[str, Words] = MappingProxyType({})
) -> list[dict[str, Any]]:
    """Rows of `choose` with the column `ended`, by the configurations of the table of runs."""
    terms, found = _terms(runs), []
    for row in rows:
        own = [ends_of(*term, words) for term in terms(Cell.of(row), row["strength"]) or ()]
        ended = at_ends(row["strength"], own, row.get("training_size") or math.inf)
        found.append({**row, "ended": ended})
    return found


def _terms(runs: Iterable[Row]) -> Callable[[Cell, str], list[tuple[str, str]] | None]:
    """The technique and name of each number of a cell's strength, settings left out; None where unknown."""
    configs = {(Cell.of(run), run["strength"]): run["config"] for run in runs if run["config"]}

    def of(cell: Cell, strength: str) -> list[tuple[str, str]] | None:
        if (cell, strength) not in configs:
            return None
        terms = config_values(configs[cell, strength]).get("terms", ())
        return [(term["technique"], name) for term in terms for name, _ in term["strengths"]]

    return of


def choose(results: Iterable[Row], metric: str, order: Order | None = None) -> list[dict[str, Any]]:
    """The rows of `selection`: one for each strength of each cell, the best one `chosen`.

    Best is the mean over seeds; a diverged run enters it as a constant guess, as in the comparison.
    Equal means: fewer diverged runs, then what comes first in `order`, as a rule the weakest.
    """
    cells: dict[Cell, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in results:
        cells[Cell.of(row)][row["strength"]].append(row)
    rank = order or (lambda _, strength: strength_order(strength))
    rows = []
    for cell, strengths in cells.items():
        candidates = [
            {**cell._asdict(), "strength": strength, **_score(runs, metric)}
            for strength, runs in sorted(strengths.items(), key=lambda item: strength_order(item[0]))
        ]
        winner = min(candidates, key=lambda row: (*merit(row), rank(cell, row["strength"])))
        rows += [{**row, "chosen": row is winner, "rule": _rule(metric)} for row in candidates]
    return rows


def best(rows: Iterable[Row]) -> dict[Cell, list[str]]:
    """Of rows of `selection` each cell's chosen strength, then those that score as well."""
    cells: dict[Cell, list[Row]] = defaultdict(list)
    for row in rows:
        cells[Cell.of(row)].append(row)
    found = {}
    for cell, tried in cells.items():
        (chosen,) = (row for row in tried if row["chosen"])
        found[cell] = [chosen["strength"], *equals_of(chosen, tried)]
    return found


def _score(runs: Sequence[Row], metric: str) -> dict[str, Any]:
    values = [counted(run, metric) for run in runs]
    spread = len(values) > 1 and all(map(math.isfinite, values))
    return {
        "n": len(values),
        "mean": fmean(values),
        "sd": stdev(values) if spread else None,
        "n_diverged": sum(run["state"] == "diverged" for run in runs),
        "metric": metric,
        "training_size": runs[0].get("training_size"),
    }


def counted(run: Row, metric: str) -> float:
    """What a run counts as; one that diverged as a constant guess."""
    value = run[metric]
    sound = run["state"] != "diverged" and value is not None and math.isfinite(value)
    return float(value) if sound else GUESS[metric](run.get("classes") or math.inf)


def _rule(metric: str) -> str:
    best = "lowest" if metric.endswith("loss") else "highest"
    return (
        f"{best} mean {metric.replace('_', ' ')} over the tune seeds; {COUNTED}; ties: weakest regularization"
    )
