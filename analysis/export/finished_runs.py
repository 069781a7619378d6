"""Finished runs as trackers of experiments see them: parameters, curves and final numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from analysis.tables.store_tables import Tables

_IDENTITY = ("dataset", "per_class", "model", "regularizer", "strength", "seed", "phase")
_PARAMETERS = (*_IDENTITY, "evaluation")
_NOT_NUMBERS = {"run_id", "strength_value", "diverged_step", *_IDENTITY}


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """A run.

    `curves` has a row for each epoch with numbers: the epoch, and by name such as `test/loss` the
    values. `finished` is in seconds since 1970.
    """

    run_id: str
    parameters: dict[str, str | int]
    state: str
    curves: list[tuple[int, dict[str, float]]]
    results: dict[str, float]
    finished: float

    @property
    def name(self) -> str:
        """E.g. `mnist/lenet5/l2/0.0005/seed-1000`; slashes, so that tools show a tree."""
        known = self.parameters
        few = f"-{known['per_class']}-per-class" if "per_class" in known else ""
        parts = (f"{known['dataset']}{few}", known["model"], known["regularizer"], known.get("strength"))
        return "/".join([*(_word(str(part)) for part in parts if part), f"seed-{known['seed']}"])


def _word(text: str) -> str:
    word = "".join(c if c.isalnum() or c in "._=+-" else "-" for c in text)
    return word if word.strip(".") else "-"  # a part of a path for TensorBoard


def finished_runs(tables: Tables) -> Iterator[FinishedRun]:
    """In the order of the tables; the curves of one regularizer at a time are in memory."""
    for problem in tables.problems:
        results = tables.read("results", problem)
        for regularizer in results["regularizer"].drop_duplicates():
            metrics = tables.read("metrics", problem, regularizer=regularizer)
            curves = dict(iter(metrics.groupby("run_id", sort=False)))
            for row in results[results["regularizer"] == regularizer].to_dict("records"):
                yield _run(row, curves.get(row["run_id"], metrics.iloc[:0]))


def _run(row: dict[Any, Any], metrics: pd.DataFrame) -> FinishedRun:
    return FinishedRun(
        run_id=row["run_id"],
        parameters={name: row[name] for name in _PARAMETERS if pd.notna(row[name]) and row[name] != ""},
        state=row["state"],
        curves=list(_curves(metrics)),
        results={
            name: float(value)
            for name, value in row.items()
            if name not in _NOT_NUMBERS and isinstance(value, int | float) and math.isfinite(value)
        },
        finished=_seconds(row["finished_at"]),
    )


def _seconds(time: object) -> float:
    with suppress(ValueError, OverflowError):
        return datetime.fromisoformat(str(time)).timestamp()
    return 0.0


def _curves(metrics: pd.DataFrame) -> Iterator[tuple[int, dict[str, float]]]:
    """By the number of the epoch, as trackers count in whole steps; a part of one counts as begun."""
    for epoch, rows in metrics.groupby("epoch"):
        values = {
            f"{row['split']}/{name}": float(row[name])
            for row in rows.to_dict("records")
            for name in ("loss", "accuracy", "objective")
            if pd.notna(row[name]) and math.isfinite(row[name])
        }
        yield math.ceil(float(str(epoch))), values
