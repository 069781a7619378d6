"""The lines of docs/tables.md, as they stand there: each says what `regularize compare` says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from analysis.statistics.comparison_table import compare
from analysis.statistics.strength_selection import select
from analysis.tables.collect import collect
from analysis.tables.store_tables import Tables
from regularize.store import Store

PAGE = (Path(__file__).parents[3] / "docs" / "tables.md").read_text()
LINES = [line for line in PAGE.splitlines() if re.match(r"(duckdb|python) -c ", line)]
TOOLS = {"duckdb": "mean", "polars": "survivors_mean", "pandas": "mean"}
"""By what each line reads the tables, and the column of the comparison that it prints."""


def tool(line: str) -> str:
    return next(name for name in TOOLS if name in line)


@pytest.mark.parametrize("line", LINES, ids=tool)
def test_a_line_says_what_compare_says(
    line: str, make_store: Callable[..., Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverged = [("digits", "dropout", "0.3", 1001)]
    store = make_store("results/demo", datasets=["digits", "mnist"], diverged=diverged)
    collect(store)
    select(store)
    monkeypatch.chdir(tmp_path)
    program, _, code = shlex.split(line)
    printed: list[Any] = []
    if program == "duckdb":  # its command-line program runs the same engine
        frame = duckdb.sql(code).df()
    else:
        exec(code, {"print": printed.append})
        frame = printed[0] if isinstance(printed[0], pd.DataFrame) else pd.DataFrame(printed[0].to_dicts())
    cell = ["dataset", "regularizer", "strength"]
    (column,) = {"accuracy", "mean"} & set(frame.columns)
    said = frame.set_index(cell)[column].sort_index()
    expected = compare(Tables(store)).set_index(cell)[TOOLS[tool(line)]].sort_index() / 100
    pd.testing.assert_series_equal(said, expected, check_names=False, rtol=1e-12)


def test_all_three_are_there() -> None:
    assert tuple(map(tool, LINES)) == tuple(TOOLS)
