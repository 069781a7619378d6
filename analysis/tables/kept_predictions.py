"""Predictions, which stay in the files of the packs: most of what a sweep writes, and so there but once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analysis.tables.pack_files import Packs
from analysis.tables.readable_rows import in_order, readable_schema, rows_of
from regularize.store import PREDICTIONS, DamagedFileError, PackPaths, Store
from regularize.whole_files import warn

SCHEMA = readable_schema(PREDICTIONS)
_ALWAYS = ("example", "label", "logits")
"""Columns that files of every version have."""


def kept_predictions(
    store: Store, results: pa.Table, columns: Sequence[str] | None = None, **equal: Any
) -> pa.Table:
    """The predictions of some runs, in their order, then by example; of runs that kept none there are none.

    A damaged file is set aside, and a line on stderr says so; the rest is used.

    Args:
        results: rows of `results` with the readable columns and `pack_id`.
        columns: of `SCHEMA`; all by default.
        equal: the value, or a list of them, that columns of the predictions' own must have.
    """
    wanted = SCHEMA.names if columns is None else columns
    needed = {"run_id", "example", *wanted, *equal}
    own = pa.schema([field for field in PREDICTIONS if field.name in needed])
    pieces = [own.empty_table()]
    for path, run_ids in _files(store, results).items():
        try:
            rows = rows_of(path, run_ids, own)
            if lacking := [name for name in _ALWAYS if name in own.names and rows[name].null_count]:
                raise DamagedFileError(path, f"it lacks {' and '.join(lacking)}")
        except FileNotFoundError:
            continue
        except DamagedFileError as error:
            error.set_aside()
            warn(str(error))
            continue
        for column, value in equal.items():
            values = value if isinstance(value, list) else [value]
            rows = rows.filter(
                pc.is_in(rows[column], value_set=pa.array(values, rows.schema.field(column).type))
            )
        pieces.append(rows)
    return in_order(pieces, results, ("example",), wanted)


def _files(store: Store, results: pa.Table) -> dict[Path, Sequence[str]]:
    """Which runs' predictions are to be in which file."""
    packs = dict(zip(results["run_id"].to_pylist(), results["pack_id"].to_pylist(), strict=True))
    # results of before packs were noted are in the pack whose table they were collected from
    owners = Packs.of(store).owners("results") if None in packs.values() else {}
    files: dict[Path, list[str]] = defaultdict(list)
    for run_id, pack_id in packs.items():
        if pack_id is not None:
            files[store.pack(pack_id).predictions].append(run_id)
        elif run_id in owners:
            files[PackPaths(owners[run_id].files.folder).predictions].append(run_id)
    return dict(files)
