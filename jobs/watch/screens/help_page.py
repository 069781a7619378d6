"""What the keys do, and what the letters mean."""

from __future__ import annotations

from typing import ClassVar

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from jobs.watch.state_looks import LETTERS, looks

KEYS = (
    ("j k  ↓ ↑", "down, up; ← → between data sets"),
    ("g G", "to the top, to the bottom; in a log, G follows"),
    ("Enter", "open: a cell, all seeds of a setting, a run"),
    ("Esc", "back"),
    ("/", "search as you type; all words must be found"),
    ("s", "sort by the next column, scores too; or click a heading"),
    ("Space", "mark runs, for x and R"),
    ("l", "log of what is under the cursor; it follows"),
    ("e", "failures by exception"),
    ("x", "cancel what is marked or under the cursor"),
    ("R", "retry what is marked or under the cursor"),
    ("r", "look again now"),
    ("p", "pause, and go on"),
    ("?", "this help"),
    ("q", "quit; the sweep goes on"),
)


class Help(ModalScreen[None]):
    CSS = """
    Help { align: center middle; }
    Help > VerticalScroll { width: 72; max-width: 96%; height: auto; max-height: 96%; padding: 0 2;
                            border: round $primary; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter", "dismiss", "close")]

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(self._text())

    def _text(self) -> Group:
        keys = Table.grid(padding=(0, 2))
        for key, meaning in KEYS:
            keys.add_row(Text(key, style="bold"), Text(meaning))
        palette = looks(self.app.current_theme.dark)
        letters = Text("\n")
        for state, letter in LETTERS.items():
            letters.append(f"{letter} {state}  ", style=palette[state].ink)
        letters.append(
            "\nA cell has the colour of what most wants to be seen in it; 3! are runs in trouble. "
            "Bars: ━ done, ╍ running, ┈ queued, ┄ planned, × diverged, ! in trouble. last and best are "
            "validation accuracies."
        )
        return Group(keys, letters)
