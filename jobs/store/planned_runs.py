"""The planned runs of a store, as people name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.store.runs_table import read_runs
from regularize.errors import UserError
from regularize.store import Store

_COLUMNS = ("run_id", "phase", "dataset", "per_class", "model", "regularizer", "planned", "evaluation")


@dataclass(frozen=True, kw_only=True)
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
    table = read_runs(store).select(_COLUMNS).to_pylist()
    return rows([row for row in table if row["planned"]])


def nothing_submitted(lacking: Path) -> UserError:
    """What to say of a store without one of the files that a submission writes."""
    return UserError(
        f"{lacking.parent} holds no {lacking.name}: nothing has been submitted to it; "
        "`regularize submit SWEEP.yaml` comes first"
    )


def rows(table: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Rows of `runs.parquet` with their labels."""
    several = len({row["model"] for row in table}) > 1
    return [
        Row(
            run_id=row["run_id"],
            phase=row["phase"],
            dataset=dataset_label(row["dataset"], row["per_class"]),
            regularizer=f"{row['regularizer']} ({row['model']})" if several else row["regularizer"],
            evaluation=row.get("evaluation") or "",
        )
        for row in table
    ]


def dataset_label(name: str, per_class: int | None) -> str:
    return name if per_class is None else f"{name} ({per_class} per class)"
