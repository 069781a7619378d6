"""What a store's tables say that a sweep leaves open, for a status: without what is slow to import."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from analysis.statistics.merit import equals_of
from analysis.tables.strength_text import at_edges, at_ends, open_edges, strength_numbers
from regularize.errors import UserError
from regularize.store import DamagedFileError, Store, read_table

FITTED = 0.9
"""The training accuracy from which a baseline is said to have fitted its training data."""

Row = Mapping[str, Any]

_OF_RESULTS = ("run_id", "phase", "state", "dataset", "per_class", "model", "train_accuracy")


def open_ends(store: Store) -> list[str]:
    """In sentences; nothing where nothing was chosen, collected or trained yet."""
    return [*_at_edge(_rows(store.table("selection"))), *_not_fitted(_baseline(store))]


def edge_sentence(said: Iterable[str], selection: Row) -> str:
    """`selection` is any row of the table: how the sweep came to what it tried."""
    return (
        f"The strength chosen is at the edge of what was tried for {', '.join(said)}: a better one may "
        f"lie beyond, {_advice(selection)}"
    )


def _advice(selection: Row) -> str:
    if budget := selection.get("budget"):
        return (
            f"though of {budget} drawn settings the best is often an outer one by chance; where it is close "
            "to the end of its range or list, let that go further"
        )
    if widen := selection.get("widen"):
        return f"and `widen: {widen}` has ended there: list values beyond, or let it go on more often"
    return "so widen the grid (`widen:` does)"


def edges(row: Row, tried: Iterable[Row]) -> list[str]:
    """Where a row of those `tried` can go on: `0.1, the largest`; of several numbers with their names."""
    strength, ended = row["strength"], strength_numbers(_ended(row))
    ends = at_edges(strength, [each["strength"] for each in tried])
    return _in_words(strength, {name: end for name, end in ends.items() if name not in ended})


def chosen_edges(chosen: Row, tried: Sequence[Row]) -> list[str]:
    """The same of the row that is chosen of those `tried`: only where a better one may lie beyond."""
    strengths = [row["strength"] for row in tried]
    ends = open_edges(chosen["strength"], equals_of(chosen, tried), strengths, _ended(chosen))
    return _in_words(chosen["strength"], ends)


def _ended(row: Row) -> str:
    """The column, or what is known without it: of a table of before."""
    known = row.get("ended")
    return known if isinstance(known, str) else at_ends(row["strength"])


def _in_words(strength: str, ends: Mapping[str, str]) -> list[str]:
    numbers = strength_numbers(strength)
    return [f"{f'{name} = ' * bool(name)}{numbers[name]:g}, the {end}" for name, end in ends.items()]


def not_fitted(reached: float) -> str:
    return (
        f"The baseline has not fitted its training data: its training accuracy is {reached:.0%}. What "
        "looks better may only train faster; train longer to see"
    )


def _rows(path: Path, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = read_table(path, columns).to_pylist()
        return found
    except (FileNotFoundError, DamagedFileError, UserError):
        return []


def _at_edge(selection: Iterable[Row]) -> Iterator[str]:
    """Of numbers of which the smallest or largest was chosen; a sentence a problem."""
    cells: dict[tuple[str, str, int], list[Row]] = defaultdict(list)
    for row in selection:
        cells[_problem(row), row["regularizer"], row.get("repetition") or 0].append(row)
    again = 1 + max((repetition for _, _, repetition in cells), default=0)
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for (problem, name, _), rows in cells.items():
        ends = [chosen_edges(row, rows) for row in rows if row["chosen"]]
        found[problem][name] += ["; ".join(each) for each in ends if each]
    for problem, entries in found.items():
        said = [
            f"{name} ({ends[0] if again == 1 else f'in {len(ends)} of {again} repetitions'})"
            for name, ends in entries.items()
            if ends
        ]
        if said:
            yield f"{problem}: {edge_sentence(said, rows[0])}"


def _problem(row: Row) -> str:
    few = f" ({row['per_class']} per class)" if row["per_class"] is not None else ""
    return f"{row['dataset']}{few} {row['model']}"


def _baseline(store: Store) -> Iterator[Row]:
    """The baseline's report runs that did not diverge."""
    marked = {row["run_id"] for row in _rows(store.runs, ("run_id", "baseline")) if row.get("baseline")}
    for row in _rows(store.table("results"), _OF_RESULTS) if marked else ():
        if row["run_id"] in marked and row["phase"] == "report" and row["state"] == "done":
            yield row


def _not_fitted(runs: Iterable[Row]) -> Iterator[str]:
    reached: dict[str, list[float]] = defaultdict(list)
    for row in runs:
        if row["train_accuracy"] is not None:
            reached[_problem(row)].append(row["train_accuracy"])
    for problem, values in reached.items():
        if fmean(values) < FITTED:
            yield f"{problem}: {not_fitted(fmean(values))}"
