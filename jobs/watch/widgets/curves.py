"""Accuracy and loss of a run over its epochs."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.text import Text
from textual.widget import Widget

from jobs.watch.braille_plot import plot
from jobs.watch.run_detail import Point
from jobs.watch.state_looks import looks

TALLEST = 20  # lines
# The curve of each split is named so, and looks as this state does.
_SPLITS = {"train": ("train", "planned"), "validation": ("valid", "running"), "test": ("test", "done")}


class Curves(Widget):
    """One above the other, no taller than is good for curves."""

    points: Sequence[Point] = ()
    ended = ""

    def show(self, points: Sequence[Point], ended: str = "") -> None:
        """`ended` is why there are none, where there will be none."""
        self.points, self.ended = points, ended
        self.refresh()

    def render(self) -> Group | Text:
        if not self.points:
            reason = f"{self.ended}, before anything was measured" if self.ended else "nothing measured yet"
            return Text(reason, style="dim")
        width, height = self.content_size
        each = min(TALLEST, height // 2)
        return Group(self._plot("accuracy", width, each), self._plot("loss", width, each))

    def _plot(self, name: str, width: int, height: int) -> Text:
        palette = looks(self.app.current_theme.dark)
        curves = {
            label: [(point.epoch, getattr(point, name)) for point in self.points if point.split == split]
            for split, (label, _) in _SPLITS.items()
        }
        styles = {label: palette[state].ink for label, state in _SPLITS.values()}
        return plot(curves, styles, title=name, width=width, height=height)
