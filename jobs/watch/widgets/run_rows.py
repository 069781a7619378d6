"""The table of runs: a line for all seeds of a setting, below it the seeds of those that are open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from jobs.watch.picture import Run
from jobs.watch.seed_groups import Group
from jobs.watch.state_looks import LETTERS, looks
from jobs.watch.widgets.columns import Column, fitted, shortened
from jobs.watch.widgets.rows import Rows

BAR = 8
# Name, smallest width, and which goes first where not all fit.
_COLUMNS = (
    ("state", 9, 0),
    ("regularizer", 11, 0),
    ("strength", 9, 0),
    ("dataset", 9, 2),
    ("phase", 6, 1),
    ("done", BAR + 5, 4),
    ("last", 6, 3),
    ("best", 6, 5),
    ("job", 6, 7),
    ("note", 10, 6),
)
CONSTANT = ("regularizer", "dataset", "phase", "job", "note")
"""Left out where all rows have the same: the line above the table says it."""
SEED_WIDTH = 18  # of a run's id below its setting


class RunRows(Rows):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "mark", "mark", show=False)]

    groups: Sequence[Group] = ()
    order: str = ""
    shown: Sequence[tuple[Group, Run | None]] = ()

    def __init__(self) -> None:
        super().__init__()
        self.open_keys: set[tuple[str, ...]] = set()
        self.marked: set[str] = set()  # run ids
        self.constant: set[str] = set()  # names of columns
        self._measure()

    def show(self, groups: Sequence[Group], order: str) -> None:
        """The cursor stays on what it was on, wherever that is now."""
        before = self._who(*self.shown[self.cursor]) if self.cursor < len(self.shown) else None
        self.groups, self.order = groups, order
        self._lay_out()
        names = {self._who(group, run): number for number, (group, run) in enumerate(self.shown)}
        self.cursor = names.get(before, self.cursor) if before else self.cursor

    def _lay_out(self) -> None:
        self._measure()
        self.replace([line for group in self.groups for line in self._lines_of(group)])

    def _lines_of(self, group: Group) -> Iterable[tuple[Group, Run | None]]:
        yield group, None
        if group.key in self.open_keys:
            yield from ((group, run) for run in group.runs)

    @staticmethod
    def _who(group: Group, run: Run | None) -> tuple[str, ...]:
        return (*group.key, run.run_id if run else "")

    @property
    def current(self) -> tuple[Group, Run | None] | None:
        return self.shown[self.cursor] if self.shown else None

    @property
    def selected(self) -> list[Run]:
        """The marked runs, or else those under the cursor."""
        if self.marked:
            return [run for group in self.groups for run in group.runs if run.run_id in self.marked]
        if not self.shown:
            return []
        group, run = self.shown[self.cursor]
        return [run] if run else list(group.runs)

    def toggle(self, group: Group) -> None:
        """Show its seeds, or no longer."""
        self.open_keys ^= {group.key}
        self._lay_out()
        self.refresh()

    def action_mark(self) -> None:
        if self.shown:
            group, run = self.shown[self.cursor]
            ids = {run.run_id} if run else {each.run_id for each in group.runs}
            self.marked = self.marked - ids if ids <= self.marked else self.marked | ids
            self.cursor += 1
            self.refresh()

    def column_at(self, x: int) -> str:
        """The heading at `x`."""
        end = 2
        for name, width in self._widths(self.scrollable_content_region.width):
            end += width
            if x < end:
                return name
        return ""

    def _widths(self, width: int) -> list[tuple[str, int]]:
        """Of each column that is shown, with the blank after it; what is left over is the last one's."""
        columns = [
            Column(name, least, max(least, *self._lengths[name]), rank)
            for name, least, rank in _COLUMNS
            if name not in self.constant
        ]
        found = fitted(columns, width - 2)
        name, wide = found[-1]
        return [*found[:-1], (name, wide + max(0, width - 2 - sum(each for _, each in found)))]

    def _measure(self) -> None:
        """How long the values of each column are, and which columns say nothing."""
        firsts = [group.runs[0] for group in self.groups]
        values = {
            name: {str(getattr(run, name)) for run in firsts} for name in ("regularizer", "dataset", "phase")
        }
        values |= {
            "job": {group.jobs for group in self.groups},
            "note": {group.note for group in self.groups},
        }
        self.constant = {name for name in CONSTANT if values[name] <= {""} or len(values[name]) == 1}
        if values["note"] != {""}:
            self.constant -= {"note"}
        values |= {"strength": {run.strength for run in firsts}}
        self._lengths = {name: [len(f"{name} ▾")] for name, _, _ in _COLUMNS}
        for name, found in values.items():
            self._lengths[name] += [len(value) for value in found]
        self._lengths["strength"] += [SEED_WIDTH] * bool(self.open_keys)

    def heading(self, width: int) -> Text:
        text = Text("  ")
        for name, wide in self._widths(width):
            arrow = " ▾" if name == self.order else ""
            text.append(f"{name}{arrow}".ljust(wide), style="underline" if arrow else "")
        return text

    def line(self, index: int, width: int, part: int = 0) -> Text:
        group, run = self.shown[index]
        ids = {run.run_id} if run else {each.run_id for each in group.runs}
        mark = "●" if ids <= self.marked else "◐" if ids & self.marked else " "
        text = Text(f"{mark} ")
        values = self._of_run(run) if run else self._of_group(group)
        for name, wide in self._widths(width):
            value = values[name]
            if name in ("regularizer", "strength", "dataset"):
                value.plain = shortened(value.plain, wide - 1)
            value.truncate(wide - 1, overflow="ellipsis", pad=True)
            text.append_text(value).append(" ")
        return text

    def _of_group(self, group: Group) -> dict[str, Text]:
        first, look = group.runs[0], looks(self.app.current_theme.dark)[group.state]
        sign = "▾" if group.key in self.open_keys else "▸"
        seeds = f"{group.tally.finished}/{len(group.runs)}"
        return {
            "state": Text(f"{sign} {LETTERS[group.state]} {seeds}", style=look.ink),
            "regularizer": Text(first.regularizer),
            "strength": Text(first.strength),
            "dataset": Text(first.dataset),
            "phase": Text(first.phase),
            "done": bar(group.tally.share, look.ink),
            "last": Text(percent(group.tally.last)),
            "best": Text(percent(group.tally.best)),
            "job": Text(group.jobs, style="dim"),
            "note": Text(group.note, style=look.ink if group.state in ("failed", "lost") else "dim"),
        }

    def _of_run(self, run: Run) -> dict[str, Text]:
        look, seed = looks(self.app.current_theme.dark)[run.state], Text(f"  seed {run.seed}")
        return {
            "state": Text(f"    {LETTERS[run.state]}", style=look.ink),
            "regularizer": seed,
            "strength": seed if "regularizer" in self.constant else Text(f"  {run.run_id}", style="dim"),
            "dataset": Text(f"  {run.state}", style=look.ink),
            "phase": Text(""),
            "done": bar(run.share, look.ink),
            "last": Text(percent(run.last)),
            "best": Text(percent(run.best)),
            "job": Text(run.job, style="dim"),
            "note": Text(run.note, style="dim"),
        }


def percent(score: float | None) -> str:
    """
    >>> percent(0.9712), percent(None)
    ('97.1%', '–')
    """
    return "–" if score is None else f"{100 * score:.1f}%"


def bar(share: float, ink: str) -> Text:
    filled = int(BAR * share)
    text = Text("━" * filled, style=ink).append("┄" * (BAR - filled), style="dim")
    return text.append(f" {int(100 * share):>3}%")
