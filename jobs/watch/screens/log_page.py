"""The end of a run's log, which follows what is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Log, Static

from jobs.support.plain_text import plain
from jobs.watch.background_calls import in_background
from jobs.watch.picture import Run
from jobs.watch.run_detail import Piece
from jobs.watch.screens.base_page import Page

FOLLOW_SECONDS = 1.0
MOST_LINES = 10_000


class LogPage(Page):
    """At its end it follows; g, k and the wheel leave the end, G goes back there."""

    CSS = """
    #path { height: 1; margin: 1 0; padding: 0 1; color: $text-muted; }
    LogPage Log { height: 1fr; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll(1)", "down", show=False),
        Binding("k,up", "scroll(-1)", "up", show=False),
        Binding("g,home", "top", "top", show=False),
        Binding("G,end", "bottom", "Follow"),
    ]

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run
        self.reached: int | None = None
        self.path = ""
        self.asking = False

    def body(self) -> Iterable[Widget]:
        yield Static(f"asking for the log of run {self.run.run_id} …", id="path", markup=False)
        yield Log(max_lines=MOST_LINES)

    def on_mount(self) -> None:
        self.query_one(Log).focus()
        self.set_interval(FOLLOW_SECONDS, self.follow)
        self.follow()

    def selected(self) -> Sequence[Run]:
        return [self.run]

    def follow(self) -> None:
        """Ask for what is new, unless that is being asked."""
        if not self.asking and self.is_current and not self.home.paused:
            self.asking = True
            in_background(
                self.app,
                lambda: self.home.source.log(self.run.run_id, self.reached),
                self._more,
                self._failed,
            )

    def _more(self, piece: Piece) -> None:
        self.asking = False
        if not self.is_attached:
            return
        log = self.query_one(Log)
        if piece.path != self.path:
            log.clear()
            self.path = piece.path
        self.reached = piece.offset
        if piece.text:
            log.write(plain(piece.text))
        self._describe()

    def _failed(self, reason: str) -> None:
        self.asking = False
        if self.is_attached:
            self.query_one("#path", Static).update(f"{self.path or self.run.run_id}: {reason}")

    def _describe(self) -> None:
        at_end = "following" if self.query_one(Log).auto_scroll else "not following: G goes to the end"
        self.query_one("#path", Static).update(f"{self.path}  ({at_end})")

    def action_scroll(self, by: int) -> None:
        log = self.query_one(Log)
        log.auto_scroll = False
        log.scroll_relative(y=by, animate=False)
        self._describe()

    def action_top(self) -> None:
        log = self.query_one(Log)
        log.auto_scroll = False
        log.scroll_home(animate=False)
        self._describe()

    def action_bottom(self) -> None:
        log = self.query_one(Log)
        log.auto_scroll = True
        log.scroll_end(animate=False)
        self._describe()

    async def action_log(self) -> None:
        """It is this page."""
