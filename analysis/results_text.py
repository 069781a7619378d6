"""The results table as text: for the terminal, and for LaTeX."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import TYPE_CHECKING

import pandas as pd

from analysis import latex
from analysis.figures.style import method
from analysis.figures.words import where
from analysis.intervals import Interval
from analysis.numbers import decimals, plus_minus
from analysis.tables import Problem

if TYPE_CHECKING:
    from rich.console import Group

_HEADER = ("Regularizer", "Strength", "n", "Acc. (%)", "Δ (pp)", "Test loss", "Gap", "Div.")  # 80 columns
_HEADER_TEX = (*_HEADER[:2], "$n$", r"Accuracy (\%)", r"$\Delta$ none (pp)", *_HEADER[5:7], "Diverged")
_CAPTION = "mean ± half the 95% t-interval; Δ to none, paired by seed; Div.: diverged"
_WORDS = 2  # columns of text, before those of numbers
_ACCURACY = 3  # the column with the best in bold

Cells = list[str]


def to_terminal(frame: pd.DataFrame) -> Group:
    """One table a problem, for `rich.print`; the best accuracy of each problem is bold."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    tables = []
    for title, rows in _problems(frame):
        table = Table(title=Text(title), title_justify="left", box=None, header_style="bold")
        table.padding, table.pad_edge = (0, 1, 0, 0), False
        table.caption, table.caption_justify = Text(_CAPTION, style="dim"), "left"
        for place, column in enumerate(_HEADER):
            table.add_column(column, justify="left" if place < _WORDS else "right", no_wrap=True)
        for cells, best in rows:
            styles = ["bold" if best and place == _ACCURACY else "" for place in range(len(cells))]
            table.add_row(*map(Text, cells, styles))
        tables.append(table)
    return Group(*tables)


def to_latex(frame: pd.DataFrame) -> str:
    """A booktabs tabular; the best accuracy of each problem is bold."""
    groups = [(latex.escape(title), [_tex(*row) for row in rows]) for title, rows in _problems(frame)]
    return latex.booktabs("ll" + "r" * (len(_HEADER) - _WORDS), _HEADER_TEX, groups)


def _tex(cells: Cells, best: bool) -> Cells:
    numbers = [latex.math(cell, bold=best and place == _ACCURACY) for place, cell in enumerate(cells)]
    return [*map(latex.escape, cells[:_WORDS]), *numbers[_WORDS:]]


def _problems(frame: pd.DataFrame) -> Iterator[tuple[str, list[tuple[Cells, bool]]]]:
    """Each problem's title, and its rows: their cells, and whether the accuracy is the best."""
    for _, rows in frame.groupby(["dataset", "per_class", "model"], dropna=False, sort=False):
        first = rows.iloc[0]
        few = None if pd.isna(first["per_class"]) else int(first["per_class"])
        columns = [
            [method(name).label for name in rows["regularizer"]],
            rows["strength"].tolist(),
            rows["n"].astype(str).tolist(),
            _column(rows, "test_accuracy"),
            _column(rows, "difference", signed=True),
            _column(rows, "test_loss"),
            _column(rows, "gap"),
            rows["n_diverged"].astype(str).tolist(),
        ]
        shown = rows["test_accuracy"].round(_places(rows, "test_accuracy"))
        best = (shown == shown.max()).tolist()
        cells = [list(row) for row in zip(*columns, strict=True)]
        yield where(Problem(first["dataset"], few, first["model"])), list(zip(cells, best, strict=True))


def _column(rows: pd.DataFrame, name: str, signed: bool = False) -> Cells:
    """`mean ± half` of every row, with the decimals that suit the typical interval."""
    places = _places(rows, name)
    intervals = map(Interval, rows["n"], rows[name], rows[f"{name}_half"])
    return [plus_minus(found, places, signed) for found in intervals]


def _places(rows: pd.DataFrame, name: str) -> int:
    halves = rows[f"{name}_half"]
    widths = halves[halves > 0].tolist()
    return decimals(median(widths) if widths else 0.0)
