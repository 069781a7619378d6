"""What stands in a store reaches terminals, spreadsheets and browsers as text."""

from __future__ import annotations

import csv
import io
import os
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from analysis.tables.store_tables import inert
from jobs.commands.cli import main
from jobs.remote.relayed import Relayed
from jobs.support.plain_text import coloured, plain, plain_streams
from jobs.support.terminal import Terminal
from jobs.watch.picture import Failures, Picture, Run
from jobs.watch.plain_source import PlainSource
from jobs.watch.run_detail import Detail, Piece
from regularize.errors import UserError
from tests.hostile.stores import BELL, CLIPBOARD, EVERYTHING, RAW, TURNED, change_runs, store_in


def test_error_lines_and_arguments_are_plain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = tmp_path / "s.yaml"
    sweep.write_text(f'name: "a{EVERYTHING!r}"\n'.replace("\\x1b", "\\e"), encoding="utf-8")
    assert main(["plan", str(sweep)]) == 2
    assert main(["status", str(tmp_path / f"no{CLIPBOARD}such")]) == 2
    assert not RAW.search(capsys.readouterr().err)


def test_foreign_text_is_never_markup(capsys: pytest.CaptureFixture[str]) -> None:
    console = Terminal()
    console.print("sbatch: error: Unable to contact slurm controller (connect failure) [/x] :smile:")
    table = Table("[/head]")
    table.add_row("[bold]cell[/bold]")
    console.print(table, style="yellow")
    said = capsys.readouterr().out
    for text in ("[/x] :smile:", "[/head]", "[bold]cell[/bold]"):
        assert text in said


def test_the_consoles_own_colours_stay_and_those_of_names_go() -> None:
    stream = io.StringIO()
    console = Terminal()
    console.file, console._force_terminal = stream, True
    console._color_system = None
    console.print(Text(f"red{CLIPBOARD}\x1b[8m", style="bold"))
    assert "red" in stream.getvalue()
    assert "\x1b]" not in stream.getvalue()
    assert "\x1b[8m" not in stream.getvalue()


@given(st.text(st.characters(categories=["L", "Nd", "Cc", "Cf", "Po", "Zs"]), max_size=40))
def test_plain_text_is_stable_and_has_no_orders(text: str) -> None:
    said = plain(text)
    assert not RAW.search(said)
    assert plain(said) == said
    assert plain(coloured(text)) == said
    if text.isprintable():
        assert said == text


@given(st.lists(st.binary(max_size=12), max_size=6))
def test_what_another_machine_says_comes_in_whole_lines(parts: list[bytes]) -> None:
    stream = io.StringIO()
    relayed = Relayed(stream)
    for part in parts:
        relayed.feed(part)
    relayed.end()
    whole = b"".join(parts).decode(errors="replace")
    assert plain(stream.getvalue()) == plain(whole)
    assert not RAW.search(re.sub("\x1b\\[[0-9;:]*m", "", stream.getvalue()))


def test_a_pipe_that_is_held_open_is_not_waited_for() -> None:
    stream = io.StringIO()
    with Relayed(stream).pipe() as pipe:
        left = os.dup(pipe.fileno())  # as by a master of ssh
        pipe.write(f"warning{CLIPBOARD}\n\x1b[31mred\x1b[0m".encode())
        pipe.flush()
    os.close(left)
    assert stream.getvalue() == "warning\n\x1b[31mred\x1b[0m"
    assert threading.active_count() < 20


class _Source:
    def look(self) -> Picture:
        run = Run("0" * 16, "report", "mnist", f"l2{EVERYTHING}", "", 1, "failed", 0.5, "", EVERYTHING)
        failures = Failures(message=EVERYTHING, runs=1, packs=1, path=EVERYTHING, traceback=EVERYTHING)
        return Picture(
            sweep=EVERYTHING, place="here", time=datetime.now(UTC), runs=(run,), failures=(failures,)
        )

    def detail(self, run_id: str) -> Detail:
        return Detail(run_id=run_id, facts={f"host{BELL}": EVERYTHING}, config={})

    def log(self, run_id: str, offset: int | None) -> Piece:
        raise UserError(EVERYTHING)

    def cancel(self, run_ids: object) -> str:
        return EVERYTHING

    retry = cancel


def test_the_interface_is_shown_plain_words() -> None:
    source = PlainSource(_Source())
    found = [source.look(), source.detail("0" * 16), source.cancel([])]
    with pytest.raises(UserError) as error:
        source.log("0" * 16, None)
    texts = [*_texts([*found, str(error.value)])]
    assert len(texts) > 10
    assert not any(RAW.search(text) for text in texts)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts([*value, *value.values()])
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
    elif hasattr(value, "__dict__"):
        yield from _texts(vars(value))


FORMULAS = ['=HYPERLINK("http://x")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1"]


def test_no_text_begins_as_a_formula_does() -> None:
    for formula in FORMULAS:
        assert str(inert(formula)).startswith("'")


@pytest.mark.parametrize("formula", [FORMULAS[0], FORMULAS[-1]])
def test_no_spreadsheet_runs_a_name(formula: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = store_in(tmp_path / "evil")
    change_runs(store, lambda row: {"regularizer": formula} if row["regularizer"] == "l2" else {})
    out = tmp_path / "csv"
    assert main(["compare", str(store.folder)]) == 0
    assert main(["export", str(store.folder), "--to", "csv", "--out", str(out)]) == 0
    files = [*store.tables.glob("*.csv"), *out.glob("*.csv")]
    cells = [
        cell for file in files for row in csv.reader(io.StringIO(file.read_text("utf-8"), "")) for cell in row
    ]
    assert inert(formula) in cells
    assert not [cell for cell in cells if cell != inert(cell)]


def test_numbers_stay_numbers() -> None:
    for number in ("-0.5", "+1e-05", "-3", "-.5"):
        assert inert(number) == number
    assert inert(-0.5) == -0.5
    assert pa.scalar("x").as_py() == inert("x")


def test_streams_are_as_they_were_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    before = sys.stdout
    with plain_streams():
        print(f"a{CLIPBOARD}b", flush=True)
        print(TURNED, file=sys.stderr)
    assert sys.stdout is before
    assert capsys.readouterr() == ("ab\n", "gnp.exe\n")
