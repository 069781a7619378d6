"""Rows of packs' files with the columns of `runs.parquet` that people read by, in the order of the runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from regularize.store import RUNS, DamagedFileError, read_table

READABLE = ("dataset", "per_class", "model", "regularizer", "strength", "strength_value", "seed", "phase")


def readable_schema(own: pa.Schema) -> pa.Schema:
    """The schema of a pack's table with the readable columns behind `run_id`."""
    rest = [field for field in own if field.name != "run_id"]
    return pa.schema([RUNS.field("run_id"), *(RUNS.field(column) for column in READABLE), *rest])


def rows_of(path: Path, run_ids: Sequence[str], schema: pa.Schema) -> pa.Table:
    """Some runs' rows of a pack's file; a column that older files lack is null.

    Raises:
        DamagedFileError: it is, or has columns of other types.
    """
    table = read_table(path, schema.names)
    try:
        table = pa.concat_tables([schema.empty_table(), table], promote_options="default")
        table = table.select(schema.names)
        return table.filter(pc.is_in(table["run_id"], value_set=pa.array(run_ids, pa.string()))).cast(schema)
    except pa.ArrowException as error:
        raise DamagedFileError(path, f"it is no table of that name: {error}") from None


def in_order(
    pieces: Sequence[pa.Table], runs: pa.Table, within: Sequence[str], columns: Sequence[str] | None = None
) -> pa.Table:
    """The rows of `pieces` in the order of `runs`, those of one run by the columns `within`; readable.

    Of many rows texts take longest: only the `columns` are put in order, where some are named.
    """
    table = pa.concat_tables(pieces).combine_chunks()
    wanted = readable_schema(table.schema).names if columns is None else columns
    position = pc.index_in(table["run_id"], value_set=runs["run_id"])
    for column in READABLE:
        if column in wanted:
            table = table.append_column(RUNS.field(column), runs[column].take(position))
    keys = [(key, "ascending") for key in ("position", *within)]
    order = pc.sort_indices(table.append_column("position", position), sort_keys=keys)
    return table.select(wanted).take(order)
