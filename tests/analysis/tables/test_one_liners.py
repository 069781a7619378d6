"""The README's one-liners, as they stand there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from analysis.tables.collect import collect
from regularize.store import Store

README = (Path(__file__).parents[3] / "README.md").read_text()
TOOLS = ("duckdb", "polars", "pandas")
LINES = [line for line in README.splitlines() if re.match(r"(duckdb|python) -c .*/tables/", line)]


def tool(line: str) -> str:
    return next(name for name in TOOLS if name in line)


@pytest.fixture
def _demo(make_store: Callable[..., Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collect(make_store("results/demo-digits", datasets=["digits"]))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_demo")
@pytest.mark.parametrize("line", LINES, ids=tool)
def test_one_liner(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    program, _, code = shlex.split(line)
    if program == "duckdb":  # its command-line program runs the same engine
        print(duckdb.sql(code))
    else:
        exec(code, {})
    out = capsys.readouterr().out
    assert "regularizer" in out
    assert "dropout" in out


def test_all_three_are_there() -> None:
    assert tuple(map(tool, LINES)) == TOOLS
