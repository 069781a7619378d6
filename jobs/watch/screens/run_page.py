"""One run: where and how it runs, what it trains, its curves so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.events import Resize
from textual.widget import Widget
from textual.widgets import Static

from jobs.watch.background_calls import in_background
from jobs.watch.header_words import clock
from jobs.watch.picture import Picture, Run
from jobs.watch.run_detail import Detail
from jobs.watch.screens.base_page import Page
from jobs.watch.widgets.curves import Curves
from jobs.watch.widgets.run_rows import percent

WIDE = 130


class RunPage(Page):
    """Asks for the run again with every new picture; j and k scroll."""

    CSS = """
    #title { height: 1; padding: 0 1; text-style: bold; text-wrap: nowrap; text-overflow: ellipsis; }
    #run { layout: vertical; }
    #run Curves { height: 11; padding: 0 1; }
    #run Curves.empty { height: 2; }
    #run VerticalScroll { height: 1fr; padding: 0 1; }
    #run.wide { layout: horizontal; padding: 1 0 0 0; }
    #run.wide Curves { width: 3fr; height: 1fr; }
    #run.wide VerticalScroll { width: 2fr; height: 1fr; border-left: solid $panel; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll(1)", "down", show=False),
        Binding("k,up", "scroll(-1)", "up", show=False),
        Binding("g,home", "top", "top", show=False),
        Binding("G,end", "bottom", "bottom", show=False),
    ]

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self.run_id = run_id
        self.asking = False

    def body(self) -> Iterable[Widget]:
        yield Static(f"run {self.run_id}", id="title", markup=False)
        yield Container(
            Curves(), VerticalScroll(Static(f"asking for run {self.run_id} …", id="facts")), id="run"
        )

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def on_resize(self, event: Resize) -> None:
        self.query_one("#run").set_class(event.size.width >= WIDE, "wide")

    def show(self, picture: Picture) -> None:
        for run in self.selected():
            scores = f", validation accuracy {percent(run.last)} (best {percent(run.best)})"
            note = f": {run.note}" if run.note else ""
            title = f"{run.title}{note}{scores if run.last is not None else ''}"
            self.query_one("#title", Static).update(title)
        if not self.asking:
            self.asking = True
            in_background(self.app, lambda: self.home.source.detail(self.run_id), self._shown, self._failed)

    def selected(self) -> Sequence[Run]:
        runs = self.home.picture.runs if self.home.picture else ()
        return [run for run in runs if run.run_id == self.run_id]

    def _shown(self, detail: Detail) -> None:
        self.asking = False
        if self.is_attached:
            curves = self.query_one(Curves)
            curves.set_class(not detail.points, "empty")
            curves.show(detail.points, detail.facts.get("this run", ""))
            self.query_one("#facts", Static).update(facts(detail))

    def _failed(self, reason: str) -> None:
        self.asking = False
        if self.is_attached:
            self.home.say(f"run {self.run_id}: {reason}", severity="warning")

    def action_scroll(self, by: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)

    def action_top(self) -> None:
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def action_bottom(self) -> None:
        self.query_one(VerticalScroll).scroll_end(animate=False)


def facts(detail: Detail) -> Table:
    """Facts, attempts and configuration, one below the other."""
    table = Table.grid(padding=(0, 2))
    _pairs(table, f"run {detail.run_id}", detail.facts)
    if detail.attempts:
        table.add_row(Text("\nattempts", style="bold"), "")
        for attempt in detail.attempts:
            when = clock(attempt.time) if attempt.time else ""
            table.add_row(Text(f"  {attempt.job or when}"), Text(f"{when}  {attempt.outcome}"))
    _pairs(table, "\nconfiguration", detail.config)
    return table


def _pairs(table: Table, title: str, pairs: Mapping[str, str]) -> None:
    table.add_row(Text(title, style="bold"), "")
    for name, value in pairs.items():
        table.add_row(Text(f"  {name}", style="dim"), Text(value))
