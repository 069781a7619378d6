"""Every collected table as a CSV file, a batch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from analysis.notation.published_text import HOST_COLUMNS, hides_places
from analysis.tables.collected_files import NAMES, schema
from analysis.tables.kept_predictions import SCHEMA
from analysis.tables.store_tables import BREAKS, FORMULA, NUMBER, Tables
from regularize.store import open_table
from regularize.tables import arrow_file


def write(tables: Tables, folder: Path) -> None:
    """A list, such as the logits of a prediction, is one field of numbers with spaces between.

    Texts are as `inert` makes them, and hosts are left out unless they are asked for.
    """
    for name in NAMES:
        _write(folder / f"{name}.csv", schema(name), _batches(tables.files(name)))
    _write(folder / "predictions.csv", SCHEMA, _predictions(tables))


def _batches(paths: Iterable[Path]) -> Iterator[pa.Table]:
    for path in paths:
        with open_table(path) as file:
            yield from (pa.Table.from_batches([batch]) for batch in file.iter_batches())


def _predictions(tables: Tables) -> Iterator[pa.Table]:
    """Those of one entry at a time."""
    for problem in tables.problems:
        for regularizer in tables.entries:
            yield tables.rows("predictions", problem, regularizer=regularizer)


def _write(path: Path, schema: pa.Schema, batches: Iterable[pa.Table]) -> None:
    schema = _flat(schema.empty_table()).schema
    with arrow_file(path, "wb") as out, pyarrow.csv.CSVWriter(out, schema) as writer:
        for batch in batches:
            writer.write_table(_flat(batch))


def _flat(table: pa.Table) -> pa.Table:
    if hides_places():
        table = table.drop_columns([name for name in table.column_names if name in HOST_COLUMNS])
    for place, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            words = table[field.name].cast(pa.list_(pa.string()))
            table = table.set_column(place, field.name, pc.binary_join(words, " "))
        elif pa.types.is_string(field.type):
            texts = pc.replace_substring_regex(table[field.name], BREAKS, " ")
            formula = pc.and_not(
                pc.match_substring_regex(texts, FORMULA), pc.match_substring_regex(texts, f"^(?:{NUMBER})$")
            )
            marked = pc.binary_join_element_wise("'", texts, "")
            table = table.set_column(place, field.name, pc.if_else(formula, marked, texts))
    return table.replace_schema_metadata()
