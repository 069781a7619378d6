"""Regularizers × data sets: colour and letter by state, progress inside the cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.reactive import reactive

from jobs.watch.picture import Picture, Tally
from jobs.watch.state_looks import LETTERS, STATES, Look, leading, looks, trouble
from jobs.watch.widgets.columns import shortened
from jobs.watch.widgets.rows import Rows
from jobs.watch.widgets.run_rows import percent
from jobs.watch.widgets.stacked import stacked

WIDEST, NARROWEST = 22, 11


class HeatMap(Rows):
    """The first row and column are the margins: everything, and all of one data set or regularizer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "aside(-1)", "left", show=False),
        Binding("right", "aside(1)", "right", show=False),
    ]

    column: reactive[int] = reactive(0)
    lines: Sequence[str] = ()
    columns: Sequence[str] = ()
    shown: Sequence[Sequence[Tally | None]] = ()  # by line and column

    def show(self, picture: Picture) -> None:
        if (self.lines, self.columns) != (picture.regularizers, picture.datasets):
            self.lines, self.columns = picture.regularizers, picture.datasets
            self.refresh()  # the widths are others
        self.column = self.validate_column(self.column)
        cells = picture.cells
        self.replace([[cells.get((name, dataset)) for dataset in self.columns] for name in self.lines])

    @property
    def current(self) -> tuple[str, str] | None:
        """The regularizer and data set under the cursor."""
        if not self.lines:
            return None
        return self.lines[self.cursor], self.columns[self.column]

    def validate_column(self, column: int) -> int:
        return max(0, min(column, len(self.columns) - 1))

    def watch_column(self) -> None:
        self.refresh()
        self.post_message(self.Moved())

    def action_aside(self, by: int) -> None:
        self.column += by

    def told(self, line: int, column: int) -> str:
        """A cell in words."""
        tally = self.shown[line][column]
        if tally is None:
            return ""
        counts = ", ".join(f"{tally.counts[s]:,} {s}" for s in reversed(STATES) if tally.counts[s])
        scores = (
            f"; validation accuracy {percent(tally.last)} (mean of the last), {percent(tally.best)} at best"
        )
        where = " on ".join(dict.fromkeys((self.lines[line], self.columns[column])))
        return f"{where}: {counts}{scores if tally.last is not None else ''}"

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """The tip is of the cell under the mouse."""
        width = self.scrollable_content_region.width
        (label, cell), row = self._widths(width), (event.y - 1 + self.scroll_offset.y) // self.pitch
        column = self._first(width) + (event.x - label) // (cell + 1)
        inside = event.y > 0 and event.x >= label and row < self.count and column < len(self.columns)
        self.tooltip = self.told(row, column) or None if inside else None

    def at_click(self, event: events.Click) -> None:
        label, cell = self._widths(self.scrollable_content_region.width)
        if event.x >= label:
            self.column = self._first(self.scrollable_content_region.width) + (event.x - label) // (cell + 1)

    def _widths(self, width: int) -> tuple[int, int]:
        """Of the label and of a cell."""
        room = width - len(self.columns) * (NARROWEST + 1)  # what cells leave
        room = room if room >= NARROWEST else width // 3
        label = min(room, max((len(name) for name in self.lines), default=0) + 2)
        wide = (width - label) // max(1, len(self.columns)) - 1
        return label, max(NARROWEST, min(WIDEST, wide))

    def _first(self, width: int) -> int:
        """The leftmost column that is shown, so that the one under the cursor is."""
        label, cell = self._widths(width)
        fit = max(1, (width - label) // (cell + 1))
        return max(0, min(self.column, len(self.columns) - fit) if self.column >= fit else 0)

    def heading(self, width: int) -> Text:
        label, cell = self._widths(width)
        first = self._first(width)
        text = Text(" regularizer".ljust(label) if self.lines else "")
        for number, name in enumerate(self.columns[first:], first):
            chosen = self.has_focus and number == self.column
            text.append(
                f" {shortened(name, cell - 1)}".ljust(cell), style="underline" if chosen else ""
            ).append(" ")
        return text

    def highlight(self, text: Text) -> None:
        """The cell says so itself: its colours stay."""

    def on_resize(self) -> None:
        # A second line under each row, where there is room for all: the runs by state, side by side.
        pitch = 2 if 2 * self.count < self.size.height else 1
        if pitch != self.pitch:
            self.pitch = pitch
            self.refresh()
        super().on_resize()

    def line(self, index: int, width: int, part: int = 0) -> Text:
        label, cell = self._widths(width)
        first, name = self._first(width), self.lines[index]
        here = index == self.cursor and self.has_focus
        text = Text(shortened(name, label - 2) if part == 0 else "")
        text = Text(" ").append_text(text)
        text.truncate(label, pad=True)
        text.stylize("bold" if here else "")
        palette = looks(self.app.current_theme.dark)
        for number, tally in enumerate(self.shown[index][first:], first):
            if tally is None:
                text.append("·".center(cell) if part == 0 else " " * cell)
            elif part == 0:
                text.append_text(filled(tally, cell, palette[leading(tally)], here and number == self.column))
            else:
                text.append_text(stacked(tally, cell, palette))
            text.append(" ")
        return text


def filled(tally: Tally, width: int, look: Look, chosen: bool) -> Text:
    """`R 34/55  62%`, on a ground that shows the share; brighter and in brackets, if `chosen`."""
    left, right = ("[", "]") if chosen else (" ", " ")
    text = Text(f"{left}{said(tally, width - 2)}{right}", style="bold" if chosen else "")
    split = round(width * tally.share)
    full, rest = (look.ink, look.full) if chosen else (look.full, look.rest)
    text.stylize(Style(bgcolor=full, color=look.rest if chosen else None), 0, split)
    text.stylize(Style(bgcolor=rest), split)
    return text


def said(tally: Tally, width: int) -> str:
    """As much as fits of: the leading state, runs finished, in trouble (!) and diverged (X), the share."""
    letter, percent = LETTERS[leading(tally)], f"{int(100 * tally.share)}%"
    count = f"{letter} {tally.finished:,}/{tally.counts.total():,}"
    marks = [f"{n:,}{sign}" for n, sign in ((trouble(tally), "!"), (tally.counts["diverged"], "X")) if n]
    for words in (" ".join([count, *marks]), " ".join([count, *marks[:1]]), count):
        if len(words) + 1 + len(percent) <= width:
            return words + percent.rjust(width - len(words))
    return (count if len(count) <= width else f"{letter} {percent}").ljust(width)
