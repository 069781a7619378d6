"""The collected tables, read as far as they are needed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from analysis.tables.collected_files import CELL, Cell, among, files_of
from analysis.tables.kept_predictions import kept_predictions
from analysis.tables.measured_alike import results_alike
from analysis.tables.readable_rows import READABLE
from analysis.tables.region import Region
from regularize.config_text import config_values
from regularize.errors import UserError
from regularize.store import Store, open_table, read_table, write_table, write_text
from regularize.technique_words import Words, kept_words

FORMULA = r"^\s*[=+\-@]"
BREAKS = r"[\t\r\n]+"
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
"""How texts begin that spreadsheets run, what ends a cell or line, and which of the former are numbers."""


@dataclass(frozen=True)
class Problem:
    """What regularizers are compared on: comparisons never mix two of these."""

    dataset: str
    per_class: int | None
    model: str

    @property
    def slug(self) -> str:
        """For file names, e.g. `mnist-100-per-class-lenet5`."""
        few = f"-{self.per_class}-per-class" if self.per_class is not None else ""
        return re.sub(r"[^\w.-]+", "-", f"{self.dataset}{few}-{self.model}")


def problem_of(rows: pd.DataFrame) -> Problem:
    """The one that rows of a table are of."""
    first = rows.iloc[0]
    few = None if pd.isna(first["per_class"]) else int(first["per_class"])
    return Problem(str(first["dataset"]), few, str(first["model"]))


@dataclass(frozen=True, eq=False)
class Tables:
    """What `collect` and `select` wrote; each table is read when it is first asked for.

    `region` is what whoever asks counts as no difference that matters; None for what is usual.
    """

    store: Store
    region: Region | None = None

    @cached_property
    def runs(self) -> pd.DataFrame:
        return self.read("runs")

    @cached_property
    def results(self) -> pd.DataFrame:
        """Without values that were measured otherwise than the rest."""
        return results_alike(self.read("results"), self.runs)

    @cached_property
    def selection(self) -> pd.DataFrame | None:
        """None in a sweep without tune seeds, and while they train.

        Raises:
            UserError: there are finished report runs, but not the table that says how they were chosen.
        """
        path = self.store.table("selection")
        if not (self.runs["phase"] == "tune").any():
            return None
        if path.exists():
            return self.read("selection")
        if (self.results["phase"] == "report").any():
            raise UserError(
                f"{path} is not there, so which strengths were chosen, and by what rule, is not known; "
                "`regularize submit` of the sweep chooses them again from its tune runs"
            )
        return None

    @cached_property
    def baseline(self) -> str:
        """The entry of the sweep that the others are compared with; `none` where no run is marked."""
        marked = self.runs.loc[self.runs["baseline"].fillna(False).astype(bool), "regularizer"]
        return str(marked.iloc[0]) if len(marked) else "none"

    @cached_property
    def repetitions(self) -> int:
        """How often strengths are chosen, each time on tune seeds of their own."""
        return 1 + int(self.runs["repetition"].fillna(0).max()) if len(self.runs) else 1

    @cached_property
    def entries(self) -> dict[str, tuple[str, ...]]:
        """The entries of the sweep, each with its techniques."""
        firsts = self.runs.drop_duplicates("regularizer")
        return {
            name: tuple(term["technique"] for term in config_values(config).get("terms", ()))
            for name, config in zip(firsts["regularizer"], firsts["config"], strict=True)
        }

    def place(self, regularizer: str) -> int:
        """Where an entry stands in the sweep's file."""
        return self._places.get(regularizer, len(self._places))

    @cached_property
    def _places(self) -> dict[str, int]:
        """The table of runs that `submit` writes is in the file's order; collected ones are sorted."""
        rows = read_table(self.store.runs, ["regularizer", "planned"])
        names = rows.filter(rows["planned"])["regularizer"].to_pylist()
        return {name: place for place, name in enumerate(dict.fromkeys(names))}

    @cached_property
    def words(self) -> dict[str, Words]:
        """What people call techniques that are not the project's."""
        return kept_words(self.store)

    @cached_property
    def problems(self) -> list[Problem]:
        """In the order of the tables."""
        rows = self.runs[["dataset", "per_class", "model"]].drop_duplicates()
        return [
            Problem(dataset, None if pd.isna(few) else int(few), model)
            for dataset, few, model in zip(rows["dataset"], rows["per_class"], rows["model"], strict=True)
        ]

    def read(
        self,
        name: str,
        problem: Problem | None = None,
        columns: Sequence[str] | None = None,
        **equal: Any,
    ) -> pd.DataFrame:
        """The rows of a table, those of one problem, or those with the given values (or one of a list).

        Of a large table only the files of those problems and regularizers are read.

        Raises:
            UserError: the table has not been collected.
        """
        return _frame(self.rows(name, problem, columns, **equal))

    def rows(
        self,
        name: str,
        problem: Problem | None = None,
        columns: Sequence[str] | None = None,
        **equal: Any,
    ) -> pa.Table:
        """As `read`. Those of `predictions` come from the packs, which alone have them."""
        equal = (vars(problem) if problem else {}) | equal
        if name == "predictions":
            own = {column: equal.pop(column) for column in equal.keys() - {"run_id", *READABLE}}
            results = self.rows("results", None, ["run_id", *READABLE, "pack_id"], **equal)
            return kept_predictions(self.store, results, columns, **own)
        pieces = [_matching(path, columns, equal) for path in self.files(name, **equal)]
        return pieces[0] if len(pieces) == 1 else pa.concat_tables(pieces)

    def files(self, name: str, **equal: Any) -> list[Path]:
        """The collected files that have the rows of a table, or those with the given values.

        Raises:
            UserError: the table has not been collected.
        """
        path = self.store.table(name)
        if not path.exists():
            raise UserError(f"{path} is not there: collect the sweep's tables first")
        return files_of(path, [cell for cell in self._cells if among(cell, equal)] if path.is_dir() else ())

    @cached_property
    def _cells(self) -> list[Cell]:
        """In the order of the tables."""
        rows = read_table(self.store.table("runs"), CELL)
        return list(dict.fromkeys(zip(*(rows[name].to_pylist() for name in CELL), strict=True)))


def _matching(path: Path, columns: Sequence[str] | None, equal: Mapping[str, Any]) -> pa.Table:
    """The rows of a file that have the given values (or one of a list)."""
    with open_table(path) as file:
        schema, condition = file.schema_arrow, pc.scalar(True)
    for column, value in equal.items():
        field = pc.field(column)
        if isinstance(value, list):
            condition &= field.isin(pa.array(value, schema.field(column).type))
        else:
            condition &= field.is_null() if value is None else field == value
    return read_table(path, columns, where=condition if equal else None).replace_schema_metadata()


def to_frame(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pd.DataFrame:
    """Rows as they would be read back from a table of that schema; what they lack, and NaN, is missing."""
    return _frame(pa.Table.from_pandas(pd.DataFrame(list(rows), columns=schema.names), schema))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Its rows, by column."""
    return [{str(column): value for column, value in row.items()} for row in frame.to_dict("records")]


def write_frame(path: Path, frame: pd.DataFrame, schema: pa.Schema) -> None:
    """Write rows as `to_frame` gives them."""
    write_table(path, pa.Table.from_pandas(frame, schema), schema)


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """All digits; numbers of examples stay whole where some rows have none."""
    if "per_class" in frame:
        frame = frame.astype({"per_class": "Int64"})
    texts = frame.select_dtypes(include=["object", "string"]).columns
    frame = frame.assign(**{name: frame[name].map(inert) for name in texts})
    write_text(path, frame.to_csv(index=False, lineterminator="\n"))


def inert(cell: object) -> object:
    """A text on one line that no spreadsheet takes for a formula: an apostrophe in front makes it a text.

    >>> inert("=1+1"), inert("-0.5"), inert("l2")
    ("'=1+1", '-0.5', 'l2')
    """
    if not isinstance(cell, str):
        return cell
    text = re.sub(BREAKS, " ", cell)
    return f"'{text}" if re.match(FORMULA, text) and not re.fullmatch(NUMBER, text) else text


def _frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    return frame.astype({"per_class": "Int64"}) if "per_class" in frame else frame


def digest(*frames: pd.DataFrame) -> str:
    """32 hex digits that name the content of tables: equal rows, equal digest."""
    whole = hashlib.blake2b(digest_size=16)
    for frame in frames:
        whole.update(repr(list(frame.columns)).encode())
        whole.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return whole.hexdigest()
