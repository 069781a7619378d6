"""The table of runs of a cell of the heat map, with search and sorting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input, Static

from jobs.support.readable_numbers import plural
from jobs.watch.picture import ALL, Picture, Run
from jobs.watch.screens.base_page import Page
from jobs.watch.seed_groups import ORDERS, holding, in_order
from jobs.watch.widgets.rows import Rows
from jobs.watch.widgets.run_rows import RunRows


class Search(Input):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "screen.found", "Found")]


class RunsPage(Page):
    CSS = """
    #what { height: 1; margin: 1 0 0 0; padding: 0 1; color: $text-muted; }
    RunsPage Input { height: 1; border: none; padding: 0 1; background: $boost; }
    RunRows { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("s", "sort", "Sort")]

    def __init__(self, regularizer: str, dataset: str, *, search: bool) -> None:
        super().__init__()
        self.regularizer, self.dataset, self.search = regularizer, dataset, search
        self.order = ""
        self.described = ""
        self.found = self.of_cell = 0  # runs that are shown, and those there are

    def body(self) -> Iterable[Widget]:
        yield Static(id="what", markup=False)
        yield Search(
            placeholder="words that a run has: regularizer, strength, state, node, error …",
            select_on_focus=False,  # which comes late: letters that were typed by then would be chosen
        )
        yield RunRows()

    def on_mount(self) -> None:
        self.query_one(Input).display = self.search
        self.set_focus(self.query_one(Input) if self.search else self.query_one(RunRows))

    def show(self, picture: Picture) -> None:
        of_cell = [group for group in self.home.groups if group.of_cell(self.regularizer, self.dataset)]
        found = holding(of_cell, self.query_one(Input).value)
        self.found, self.of_cell = (sum(len(group.runs) for group in groups) for groups in (found, of_cell))
        self.query_one(RunRows).show(in_order(found, self.order), self.order)

    def selected(self) -> Sequence[Run]:
        return self.query_one(RunRows).selected

    def start_search(self, words: str = "") -> None:
        """All keys are the search's from now on, those that wait to be answered as well."""
        field = self.query_one(Input)
        field.display = True
        self.set_focus(field)
        field.select_all()  # another search takes the place of the last
        if words:
            field.replace(words, *field.selection)

    def action_sort(self, order: str | None = None) -> None:
        names = list(ORDERS)
        self.order = names[(names.index(self.order) + 1) % len(names)] if order is None else order
        self._again()

    def action_back(self) -> None:
        """First out of the search, then out of the page."""
        field = self.query_one(Input)
        if field.display:
            field.value, field.display = "", False
            self.action_found()
        else:
            super().action_back()

    def on_input_changed(self) -> None:
        self._again()

    def action_found(self) -> None:
        """Go on in the table: the next key is for what the search found."""
        self._again()
        self.set_focus(self.query_one(RunRows))

    def on_rows_headed(self, event: Rows.Headed) -> None:
        name = self.query_one(RunRows).column_at(event.x)
        if name in ORDERS:
            self.action_sort("" if name == self.order else name)

    async def action_open(self) -> None:
        rows = self.query_one(RunRows)
        group, run = rows.current or (None, None)
        if group and (run or len(group.runs) == 1):
            await self.home.open_run((run or group.runs[0]).run_id)
        elif group:
            rows.toggle(group)

    def on_rows_moved(self) -> None:
        self._describe()

    def _describe(self) -> None:
        rows = self.query_one(RunRows)
        first = rows.groups[0].runs[0] if rows.groups else None
        names = {"regularizer": self.regularizer, "dataset": self.dataset}
        names |= {name: getattr(first, name) for name in names if first and name in rows.constant}
        parts = [name for name in names.values() if name != ALL] or ["all runs"]
        phased = self.home.picture and len(self.home.picture.phases) > 1
        parts[-1] += f" ({first.phase})" if phased and first and "phase" in rows.constant else ""
        count = plural(self.found, "run") + (f" of {self.of_cell:,}" if self.found != self.of_cell else "")
        marked = len(rows.marked)
        chosen = f", {marked:,} marked" if marked else ""
        words = f"{' on '.join(parts)}: {count}{chosen}"
        if words != self.described:  # each update lays out the page anew
            self.described = words
            self.query_one("#what", Static).update(words)

    def _again(self) -> None:
        if self.home.picture:
            self.show(self.home.picture)
