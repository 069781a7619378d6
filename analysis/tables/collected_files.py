"""The files of `tables/`: which tables there are, and which file has the rows of a run.

`runs` and `results`, of one row a run, are one file each. The others are folders named like a file, which
readers of Parquet take as one, with a file for every cell that has rows: so one finished pack leaves all but
its cell's as they are.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from analysis.tables.readable_rows import readable_schema
from regularize.store import CORRUPTIONS, METRICS, RESULTS, ROBUSTNESS, RUNS, SPECTRA

NAMES = ("runs", "results", "metrics", "spectra", "robustness", "corruptions")
CELL = ("dataset", "per_class", "model", "regularizer")
"""The readable columns that all rows of a file of a cell share."""

PACK_SCHEMAS = {
    "results": RESULTS,
    "metrics": METRICS,
    "spectra": SPECTRA,
    "robustness": ROBUSTNESS,
    "corruptions": CORRUPTIONS,
}
_LONGEST = 120  # characters of a name that are for people

Cell = tuple[str, int | None, str, str]


def schema(name: str) -> pa.Schema:
    """The schema of `tables/<name>.parquet`."""
    return RUNS if name == "runs" else readable_schema(PACK_SCHEMAS[name])


def columns_file(table: Path) -> Path:
    """A file without rows, so that a table of which nothing was measured has its columns, too."""
    return table / "columns.parquet"


def cell_file(table: Path, cell: Cell) -> Path:
    """Readable, and another for every cell."""
    dataset, few, model, regularizer = cell
    words = "-".join([dataset, *([] if few is None else [f"{few}-per-class"]), model, regularizer])
    # readers skip names that begin with a dot or an underscore
    readable = re.sub(r"[^\w.-]+", "-", words).lstrip("._-")[:_LONGEST]
    digest = hashlib.blake2b(json.dumps(cell).encode(), digest_size=4).hexdigest()
    return table / f"{readable}-{digest}.parquet"


def files_of(table: Path, cells: Iterable[Cell]) -> list[Path]:
    """The files that have the rows of some cells, in their order; none for cells without rows."""
    if not table.is_dir():
        return [table]
    return [columns_file(table), *(path for cell in cells if (path := cell_file(table, cell)).exists())]


def among(cell: Cell, wanted: Mapping[str, Any]) -> bool:
    """Whether a cell has the given values (or one of a list) in its columns."""
    for column, value in zip(CELL, cell, strict=True):
        allowed = wanted.get(column, value)
        if value not in (allowed if isinstance(allowed, list) else [allowed]):
            return False
    return True
