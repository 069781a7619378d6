"""What all pages share: the headline, the keys at the bottom, and what happens to a selection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer

from jobs.watch.freshness import Freshness
from jobs.watch.home import Home
from jobs.watch.picture import Picture, Run
from jobs.watch.widgets.headline import Headline


class Page(Screen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "app.quit", "Quit"),
        Binding("question_mark", "app.help", "Help", key_display="?"),
        Binding("l", "log", "Log"),
        Binding("e", "app.errors", "Errors"),
        Binding("x", "act('cancel')", "Cancel"),
        Binding("R", "act('retry')", "Retry"),
        Binding("r", "app.look", "Refresh", show=False),
        Binding("p", "app.pause", "Pause"),
        Binding("escape", "back", "Back", show=False),
    ]

    @property
    def home(self) -> Home:
        return cast(Home, self.app)

    def compose(self) -> ComposeResult:
        yield Headline()
        yield from self.body()
        yield Footer(compact=True, show_command_palette=False)

    def body(self) -> Iterable[Widget]:
        raise NotImplementedError

    def selected(self) -> Sequence[Run]:
        """The runs that a key would act on."""
        return ()

    def show(self, picture: Picture) -> None:
        """There is a new picture."""

    def tick(self, picture: Picture | None, freshness: Freshness, now: datetime) -> None:
        self.query_one(Headline).show(picture, freshness, now)

    @property
    def ready(self) -> bool:
        """Whether all its parts are there: an answer may come before."""
        return bool(self.query(Footer))

    def on_mount(self) -> None:
        self._catch_up()

    def on_screen_resume(self) -> None:
        if self.ready:
            self._catch_up()

    def _catch_up(self) -> None:
        self.home.tick()
        if self.home.picture:
            self.show(self.home.picture)

    def action_back(self) -> None:
        if len(self.app.screen_stack) > 2:
            self.app.pop_screen()

    async def action_open(self) -> None:
        """What is under the cursor of its rows."""

    async def action_log(self) -> None:
        await self.home.open_log(self.selected())

    async def action_act(self, verb: str) -> None:
        await self.home.ask(verb, self.selected())
