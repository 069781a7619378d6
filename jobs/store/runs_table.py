"""The store's table of runs: what the sweep wants now, and what it wanted before."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from regularize.arrow_columns import column
from regularize.path_parts import check_parts
from regularize.store import RUNS, DamagedFileError, Store, open_table, read_table, write_batches
from regularize.whole_files import warn

if TYPE_CHECKING:
    from jobs.sweep.run_grid import PlannedRun

_ROWS_A_PART = 5000


def write_runs(store: Store, runs: Sequence[PlannedRun], *, complete: bool) -> None:
    """Write the runs to `runs.parquet`, if it does not say the same already.

    Rows that were there and are not among the runs stay, as no longer planned; report runs stay as
    they were unless the runs are `complete`, that is, strengths have been chosen. A damaged file is set
    aside and written anew.
    """
    import pyarrow.compute as pc

    from jobs.sweep.run_grid import runs_table

    before, wanted = _before(store), runs_table(runs)
    kept = before.filter(pc.invert(pc.is_in(before["run_id"], value_set=wanted["run_id"])))
    still = pc.and_(kept["planned"], pc.and_(pc.equal(kept["phase"], "report"), not complete))
    kept = kept.set_column(RUNS.get_field_index("planned"), RUNS.field("planned"), still)
    table = pa.concat_tables([wanted, kept])
    if not table.equals(before):
        write_batches(store.runs, _parts(table), RUNS)


def _parts(table: pa.Table) -> Iterator[pa.Table]:
    """Each a row group, of which a worker reads those with its runs."""
    for start in range(0, len(table) or 1, _ROWS_A_PART):
        yield table.slice(start, _ROWS_A_PART)


def read_runs(
    store: Store, columns: Sequence[str] = tuple(RUNS.names), run_ids: Collection[str] | None = None
) -> pa.Table:
    """The rows of `runs.parquet`, or those of some runs, and of them some columns; none before it is written.

    Configurations are most of the table, and hundreds of workers read a few rows each: rows that are not
    wanted are never in memory together.

    Raises:
        DamagedFileError: `submit` writes it anew.
    """
    wanted = pa.schema([RUNS.field(name) for name in columns])
    try:
        table = _read(store.runs, columns, run_ids).replace_schema_metadata(None)
        for name in set(columns).difference(table.column_names):  # written by an earlier version
            table = table.append_column(RUNS.field(name), pa.nulls(len(table), RUNS.field(name).type))
        table = table.select(columns)
        if "run_id" in columns:
            check_parts(table["run_id"].to_pylist())
        return table if table.schema == wanted else table.cast(wanted)  # which imports much
    except FileNotFoundError:
        return wanted.empty_table()
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise DamagedFileError(store.runs, str(error)) from None


def _read(path: Path, columns: Sequence[str], run_ids: Collection[str] | None) -> pa.Table:
    if run_ids is None:
        return read_table(path, columns)
    found: list[pa.Table] = []
    with open_table(path) as file:
        for group in range(file.num_row_groups):
            ids = file.read_row_group(group, ["run_id"])["run_id"].to_pylist()
            mask = [run_id in run_ids for run_id in ids]
            if any(mask) or not found:
                found.append(file.read_row_group(group, columns).filter(column(mask, pa.bool_())))
        return pa.concat_tables(found) if found else file.read(columns)


def _before(store: Store) -> pa.Table:
    try:
        return read_runs(store)
    except DamagedFileError as error:
        warn(
            f"{store.runs} was damaged ({error.reason}): it is set aside and written anew, without the runs "
            "of earlier versions of the sweep"
        )
        error.set_aside()
        return RUNS.empty_table()
