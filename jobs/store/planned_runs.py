"""The planned runs of a store, as people name them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING, Any

from jobs.store.runs_table import read_runs
from regularize.errors import UserError
from regularize.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

_AT_ONCE = 5000
COLUMNS = ("run_id", "phase", "dataset", "per_class", "model", "regularizer", "planned", "evaluation")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What a status says of a run beside its state."""

    run_id: str
    phase: str
    dataset: str  # with the number of examples a class, if limited
    regularizer: str  # with the model, if the sweep has several
    evaluation: str = ""  # by which it is to be measured; `` in tables of earlier versions


def read_rows(store: Store) -> list[Row]:
    """The planned runs of a store.

    Raises:
        UserError: it has none.
    """
    if not store.runs.exists():
        raise nothing_submitted(store.runs)
    return rows(read_runs(store, COLUMNS))


def planned(table: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows of the runs that are planned, some at a time: as dicts all would take ten times the table."""
    for batch in table.to_batches(max_chunksize=_AT_ONCE):
        yield from (row for row in batch.to_pylist() if row["planned"])


def nothing_submitted(lacking: Path) -> UserError:
    """What to say of a store without one of the files that a submission writes."""
    return UserError(
        f"{lacking.parent} holds no {lacking.name}: nothing has been submitted to it; "
        "`regularize submit SWEEP.yaml` comes first"
    )


def rows(table: pa.Table) -> list[Row]:
    """The planned rows of `runs.parquet` with their labels."""
    several = len({row["model"] for row in planned(table.select(["model", "planned"]))}) > 1
    return [
        Row(
            run_id=row["run_id"],
            phase=intern(row["phase"]),  # a hundred thousand runs have few different words
            dataset=intern(dataset_label(row["dataset"], row["per_class"])),
            regularizer=intern(f"{row['regularizer']} ({row['model']})" if several else row["regularizer"]),
            evaluation=intern(row["evaluation"] or ""),
        )
        for row in planned(table)
    ]


def dataset_label(name: str, per_class: int | None) -> str:
    return name if per_class is None else f"{name} ({per_class} per class)"
