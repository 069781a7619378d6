"""What was last chosen in a store, as its tables tell; nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from analysis.statistics.strength_selection import best, choose, weakest_first, with_repetitions
from jobs.planning.tuning import Choose
from jobs.store.runs_table import read_runs
from jobs.sweep.run_grid import Cell
from jobs.sweep.sweep_file import Sweep
from regularize.store import DamagedFileError, Store, read_table
from regularize.technique_words import kept_words

_COLUMNS = ("run_id", "dataset", "per_class", "model", "regularizer", "strength", "state", "classes")


def last_choice(store: Store, sweep: Sweep) -> Choose:
    """Of runs that all have results in the tables; None of others: `submit` collects and chooses.

    Entries are called as the sweep calls them now, which the tables may not yet.
    """

    def among(ids: Mapping[str, str]) -> Mapping[Cell, Sequence[str]] | None:
        with suppress(FileNotFoundError, DamagedFileError):
            wanted = set(ids)
            table = read_table(store.table("results"), [*_COLUMNS, sweep.metric])
            rows = _named((row for row in table.to_pylist() if row["run_id"] in wanted), ids)
            runs = _planned(store, wanted)
            if len(rows) == len(wanted) and wanted <= {run["run_id"] for run in runs}:
                runs = _named(runs, ids)
                order = weakest_first(runs, kept_words(store))
                chosen = choose(with_repetitions(rows, runs), sweep.metric, order)
                return {Cell(*cell): strengths for cell, strengths in best(chosen).items()}
        return None

    return among


def _named(rows: Iterable[dict[str, Any]], names: Mapping[str, str]) -> list[dict[str, Any]]:
    return [row | {"regularizer": names.get(row["run_id"], row["regularizer"])} for row in rows]


def _planned(store: Store, wanted: set[str]) -> list[dict[str, Any]]:
    """The table of runs; where that was lost, as it was last collected."""
    found: list[dict[str, Any]] = read_runs(store).to_pylist()
    if not wanted <= {run["run_id"] for run in found}:
        found = read_table(store.table("runs")).to_pylist()
    return found
