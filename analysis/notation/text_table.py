"""Tables as text, for the terminal and for LaTeX: columns that are defined once for both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

import pandas as pd

from analysis.notation import latex
from analysis.notation.intervals import Interval
from analysis.notation.methods import model_label, problem_label
from analysis.notation.number_text import decimals, plus_minus

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, Group, RenderResult
    from rich.table import Table

Cells = list[str]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column: `cells` are its texts for the rows of a group, `tex` is its header in LaTeX.

    `best` says which of the rows are set in bold. A `wide` one is left out where there is no room for all.
    """

    header: str
    tex: str
    cells: Callable[[pd.DataFrame], Cells]
    words: bool = False
    wide: bool = False
    best: Callable[[pd.DataFrame], list[bool]] | None = None


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Some rows under a title, and what is said below them."""

    title: str
    frame: pd.DataFrame
    notes: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """Columns and what explains them."""

    columns: Sequence[Column]
    caption: str

    def to_terminal(self, groups: Iterable[Rows]) -> Group:
        """One table a group, for `rich.print`; where the terminal is narrow, words are broken and `wide`
        columns left out, which is said."""
        from rich.console import Group
        from rich.text import Text

        groups = list(groups)
        tables = [_Parts(group.title, self.columns, self.rows(group.frame)) for group in groups]
        parts: list[_Parts | Text] = []
        for table, group in zip(tables, groups, strict=True):
            parts += [table, *(Text(note) for note in own(group, groups)), Text()]
        notes = [Text(note, "dim") for note in [*shared(groups), self.caption]]
        return Group(*parts[:-1], _LeftOut(tables), *notes)

    def to_latex(self, groups: Iterable[Rows]) -> str:
        """A booktabs tabular; what explains it stands above it as comments, for the caption."""
        groups = list(groups)
        notes = [self.caption, *shared(groups)]
        notes += [f"{group.title}: {note}" for group in groups for note in own(group, groups)]
        found = [
            (latex.escape(group.title), [self._tex(row) for row in self.rows(group.frame)])
            for group in groups
        ]
        alignment = "".join("l" if column.words else "r" for column in self.columns)
        tabular = latex.booktabs(alignment, [column.tex for column in self.columns], found)
        return "".join(f"% {' '.join(note.split())}\n" for note in notes) + tabular

    def rows(self, frame: pd.DataFrame) -> list[list[tuple[str, bool]]]:
        """The cells of each row, each with whether it is set in bold."""
        plain_rows = [False] * len(frame)
        columns = [
            zip(column.cells(frame), column.best(frame) if column.best else plain_rows, strict=True)
            for column in self.columns
        ]
        return [list(row) for row in zip(*columns, strict=True)]

    def _tex(self, row: Sequence[tuple[str, bool]]) -> Cells:
        return [
            latex.escape(cell) if column.words else latex.math(cell, bold=bold)
            for column, (cell, bold) in zip(self.columns, row, strict=True)
        ]


@dataclass(frozen=True)
class _Parts:
    """A table for the terminal; where it is too wide, several below each other, all with the first column."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[tuple[str, bool]]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        parts, least = [[0]], [self._least(number) for number in range(len(self.columns))]
        hidden = self.left_out(options.max_width)
        for number in range(1, len(self.columns)):
            if self.columns[number].header in hidden:
                continue
            if parts[-1] != [0] and sum(least[each] + 1 for each in [*parts[-1], number]) > options.max_width:
                parts.append([0])
            parts[-1].append(number)
        for part, numbers in enumerate(parts):
            yield self._table(f"{self.title}, continued" if part else self.title, numbers, least)

    def left_out(self, width: int) -> list[str]:
        """The headers of columns that have no room."""
        whole = sum(self._least(number) + 1 for number in range(len(self.columns)))
        return [column.header for column in self.columns if column.wide and whole > width]

    def _least(self, number: int) -> int:
        """The width below which something of a column would be lost; words are broken in between."""
        column = self.columns[number]
        texts = [column.header, *(row[number][0] for row in self.rows)]
        return max(len(word) for text in texts for word in (text.split() if column.words else [text]) or [""])

    def _table(self, title: str, numbers: Sequence[int], least: Sequence[int]) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(title), title_justify="left", box=None, header_style="bold")
        table.padding, table.pad_edge = (0, 1, 0, 0), False
        for column, width in ((self.columns[number], least[number]) for number in numbers):
            if column.words:
                table.add_column(column.header, min_width=width)
            else:
                table.add_column(column.header, justify="right", no_wrap=True)
        for row in self.rows:
            table.add_row(*(Text(row[n][0], "bold" if row[n][1] else "") for n in numbers))
        return table


@dataclass(frozen=True)
class _LeftOut:
    """Below the tables: what a wider terminal would show."""

    tables: Sequence[_Parts]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        found = dict.fromkeys(name for table in self.tables for name in table.left_out(options.max_width))
        if found:
            yield Text(f"A wider terminal, a pipe and the files have {', '.join(found)}, too.", "dim")


def noted(groups: Iterable[Rows], note: str) -> list[Rows]:
    """The groups with one more note that all of them have."""
    return [replace(group, notes=[*group.notes, note]) for group in groups]


def shared(groups: Sequence[Rows]) -> Cells:
    """The notes that all groups have."""
    return (
        [note for note in groups[0].notes if all(note in group.notes for group in groups)] if groups else []
    )


def own(group: Rows, groups: Sequence[Rows]) -> Cells:
    """The notes that not all groups have."""
    everywhere = shared(groups)
    return [note for note in group.notes if note not in everywhere]


def by_problem(frame: pd.DataFrame) -> Iterable[Rows]:
    """The rows of each problem under its name, in their order."""
    for _, rows in frame.groupby(["dataset", "per_class", "model"], dropna=False, sort=False):
        first = rows.iloc[0]
        few = None if pd.isna(first["per_class"]) else int(first["per_class"])
        title = f"{problem_label(first['dataset'], few)} ({model_label(first['model'])})"
        yield Rows(title=title, frame=rows)


def measured(mean: str, half: str, signed: bool = False) -> Callable[[pd.DataFrame], Cells]:
    """Cells `mean ± half`, with the decimals that suit the typical interval of the column."""

    def cells(rows: pd.DataFrame) -> Cells:
        places = _places(rows[half])
        return [
            plus_minus(Interval(0, m, h), places, signed) for m, h in zip(rows[mean], rows[half], strict=True)
        ]

    return cells


def highest(mean: str, half: str, sign: int = 1) -> Callable[[pd.DataFrame], list[bool]]:
    """Which rows have the best mean, as it is printed; the lowest where `sign` is −1."""

    def best(rows: pd.DataFrame) -> list[bool]:
        shown = (sign * rows[mean]).round(_places(rows[half]))
        return [bool(value) for value in shown == shown.max()]

    return best


def plain(column: str) -> Callable[[pd.DataFrame], Cells]:
    """The values as they are."""
    return lambda rows: rows[column].astype(str).tolist()


def _places(halves: pd.Series) -> int:
    widths = halves[halves > 0].tolist()
    return decimals(median(widths) if widths else 0.0)
