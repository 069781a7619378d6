"""Every collected table as a CSV file, a batch of rows at a time."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from analysis.tables.collect import NAMES
from analysis.tables.store_tables import Tables
from regularize.store import open_table
from regularize.tables import arrow_file


def write(tables: Tables, folder: Path) -> None:
    """A list, such as the logits of a prediction, is one field of numbers with spaces between."""
    for name in NAMES:
        with open_table(tables.store.table(name)) as file:
            schema = _flat(file.schema_arrow.empty_table()).schema
            with (
                arrow_file(folder / f"{name}.csv", "wb") as out,
                pyarrow.csv.CSVWriter(out, schema) as writer,
            ):
                for batch in file.iter_batches():
                    writer.write_table(_flat(pa.Table.from_batches([batch])))


def _flat(table: pa.Table) -> pa.Table:
    for place, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            words = table[field.name].cast(pa.list_(pa.string()))
            table = table.set_column(place, field.name, pc.binary_join(words, " "))
    return table.replace_schema_metadata()
