"""The store's table of runs: what the sweep wants now, and what it wanted before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from regularize.path_parts import check_parts
from regularize.store import RUNS, DamagedFileError, Store, read_table, write_table
from regularize.whole_files import warn

if TYPE_CHECKING:
    from jobs.sweep.run_grid import PlannedRun


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
        write_table(store.runs, table, RUNS)


def read_runs(store: Store) -> pa.Table:
    """All rows of `runs.parquet`, none before it is written.

    Raises:
        DamagedFileError: `submit` writes it anew.
    """
    try:
        table = read_table(store.runs).replace_schema_metadata(None)
        for name in set(RUNS.names).difference(table.column_names):  # written by an earlier version
            table = table.append_column(RUNS.field(name), pa.nulls(len(table), RUNS.field(name).type))
        table = table.select(RUNS.names)
        check_parts(table["run_id"].to_pylist())
        return table if table.schema == RUNS else table.cast(RUNS)  # which imports much
    except FileNotFoundError:
        return RUNS.empty_table()
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise DamagedFileError(store.runs, str(error)) from None


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
