"""The store's table of runs: what the sweep wants now, and what it wanted before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from regularize.errors import UserError
from regularize.store import RUNS, Store, write_table

if TYPE_CHECKING:
    from jobs.sweep.run_grid import PlannedRun


def write_runs(store: Store, runs: Sequence[PlannedRun], *, complete: bool) -> None:
    """Write the runs to `runs.parquet`, if it does not say the same already.

    Rows that were there and are not among the runs stay, as no longer planned; report runs stay as
    they were unless the runs are `complete`, that is, strengths have been chosen.
    """
    import pyarrow.compute as pc

    from jobs.sweep.run_grid import runs_table

    before, wanted = read_runs(store), runs_table(runs)
    kept = before.filter(pc.invert(pc.is_in(before["run_id"], value_set=wanted["run_id"])))
    still = pc.and_(kept["planned"], pc.and_(pc.equal(kept["phase"], "report"), not complete))
    kept = kept.set_column(RUNS.get_field_index("planned"), RUNS.field("planned"), still)
    table = pa.concat_tables([wanted, kept])
    if not table.equals(before):
        write_table(store.runs, table, RUNS)


def read_runs(store: Store) -> pa.Table:
    """All rows of `runs.parquet`, none before it is written.

    Raises:
        UserError: the file is damaged.
    """
    try:
        # Not `read_table`, which imports pandas.
        with pq.ParquetFile(store.runs) as file:
            table = file.read().replace_schema_metadata(None)
        if "baseline" not in table.schema.names:  # written by an earlier version
            table = pa.concat_tables([RUNS.empty_table(), table], promote_options="default")
        table = table.select(RUNS.names)
        return table if table.schema == RUNS else table.cast(RUNS)  # which imports much
    except FileNotFoundError:
        return RUNS.empty_table()
    except (pa.ArrowInvalid, OSError, KeyError) as error:
        raise UserError(
            f"{store.runs} is damaged ({error}); delete it, and `regularize submit` writes it anew"
        ) from None
