"""The first page: the heat map, and beside or below it what goes on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from textual.containers import Container
from textual.events import Resize
from textual.widget import Widget
from textual.widgets import Static

from jobs.watch.freshness import Freshness
from jobs.watch.picture import Picture, Run
from jobs.watch.screens.base_page import Page
from jobs.watch.widgets.activity import Activity
from jobs.watch.widgets.heatmap import HeatMap

NO_RUNS = "No runs are planned yet: `regularize submit` plans them."
WIDE, TALL = 130, 36


class MapPage(Page):
    CSS = """
    #map { layout: vertical; padding: 1 0 0 0; }
    #map HeatMap { height: 1fr; }
    #map Activity { height: 4; border-top: solid $panel; }
    #map.tall Activity { height: 14; }
    #map.wide { layout: horizontal; }
    #map.wide HeatMap { width: 3fr; height: 1fr; }
    #map.wide Activity { width: 2fr; height: 1fr; border-top: none; border-left: solid $panel; }
    #cell { height: 1; padding: 0 1; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
    #nothing { padding: 1 2; color: $text-muted; display: none; }
    """

    def body(self) -> Iterable[Widget]:
        yield Static(id="nothing", markup=False)
        yield Container(HeatMap(), Activity(), id="map")
        yield Static(id="cell", markup=False)

    def on_resize(self, event: Resize) -> None:
        self.query_one("#map").set_class(event.size.width >= WIDE, "wide")
        self.query_one("#map").set_class(event.size.height >= TALL, "tall")

    def tick(self, picture: Picture | None, freshness: Freshness, now: datetime) -> None:
        super().tick(picture, freshness, now)
        nothing = self.query_one("#nothing", Static)
        nothing.display = picture is None or not picture.runs
        if nothing.display:  # each update lays out the page anew
            reason = NO_RUNS if picture else freshness.trouble or "asking for the sweep …"
            nothing.update(f"{reason}\n\nThis page looks again by itself.")

    def show(self, picture: Picture) -> None:
        self.query_one(HeatMap).show(picture)
        self.query_one(Activity).show(picture)

    def selected(self) -> Sequence[Run]:
        cell = self.query_one(HeatMap).current
        return self.home.picture.of_cell(*cell) if self.home.picture and cell else ()

    def on_rows_moved(self) -> None:
        """Below the map: the cell under the cursor in words, with its scores."""
        cells = self.query_one(HeatMap)
        self.query_one("#cell", Static).update(cells.told(cells.cursor, cells.column) if cells.lines else "")

    async def action_open(self) -> None:
        if cell := self.query_one(HeatMap).current:
            await self.home.open_runs(*cell)
