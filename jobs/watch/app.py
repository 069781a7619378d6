"""The terminal interface: asks a source now and then, shows its last answer, and how old that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.filter import LineFilter
from textual.widgets import Input

from jobs.support.readable_numbers import plural
from jobs.watch.background_calls import in_background
from jobs.watch.colourless import Colourless
from jobs.watch.freshness import Freshness
from jobs.watch.home import Severity
from jobs.watch.keys_in_turn import KeysInTurn
from jobs.watch.notify import escapes, news, run_hook
from jobs.watch.picture import ALL, Picture, Run
from jobs.watch.plain_source import PlainSource
from jobs.watch.screens.base_page import Page
from jobs.watch.screens.confirm_page import Confirm
from jobs.watch.screens.failures_page import FailuresPage
from jobs.watch.screens.help_page import Help
from jobs.watch.screens.log_page import LogPage
from jobs.watch.screens.map_page import MapPage
from jobs.watch.screens.run_page import RunPage
from jobs.watch.screens.runs_page import RunsPage
from jobs.watch.seed_groups import Group, grouped
from jobs.watch.state_looks import STATES
from jobs.watch.watch_source import Source

CANCELLABLE = ("queued", "running", "interrupted", "unknown")
CONSEQUENCES = {
    "cancel": "Those in training write a checkpoint and end, the others leave the queue; "
    "`regularize submit` takes them up again.",
    "retry": "Their failures are forgotten, and they are trained again, from checkpoints if there are some.",
}
RETRIABLE = ("failed", "lost", "unknown", "interrupted")


class WatchApp(KeysInTurn):
    """`every` is the number of seconds between looks, `hook` a command that gets told of news."""

    TITLE = "regularize watch"
    ENABLE_COMMAND_PALETTE = False
    CSS = "Screen { background: $background; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", key_display="/", priority=True),
        Binding("ctrl+z", "suspend_process", show=False, priority=True),
    ]

    def __init__(
        self,
        source: Source,
        *,
        every: float = 10.0,
        hook: Sequence[str] = (),
        dark: bool = True,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__()
        self.source: Source = PlainSource(source)
        self.every, self.hook, self.clock = every, hook, clock
        self.theme = "textual-dark" if dark else "textual-light"
        self.picture: Picture | None = None
        self.groups: list[Group] = []  # of its runs
        self.asked: datetime | None = None  # since when an answer is waited for
        self.answered: datetime | None = None
        self.trouble = ""
        self.paused = False

    async def on_mount(self) -> None:
        await self.push_screen(MapPage())
        self.set_interval(1.0, self.tick)
        self.action_look()

    def tick(self) -> None:
        """Every second: ask, if it is time to, and show how old the picture is."""
        now = self.clock()
        due = self.answered is None or (now - self.answered).total_seconds() >= self.every
        if due and not self.paused:
            self.action_look()
        age = (now - self.picture.time).total_seconds() if self.picture else None
        freshness = Freshness(
            age=age,
            every=self.every,
            asked=(now - self.asked).total_seconds() if self.asked else None,
            trouble=self.trouble,
            paused=self.paused,
        )
        if page := self._page():
            page.tick(self.picture, freshness, now)

    def _page(self) -> Page | None:
        """The page that is seen, maybe behind a question; none while the interface ends, part by part."""
        pages = [screen for screen in self.screen_stack if isinstance(screen, Page)]
        return pages[-1] if self.is_running and pages and pages[-1].ready else None

    def action_look(self) -> None:
        if self.asked is None:
            self.asked = self.clock()
            in_background(self, self._look, self._seen, self._missed)

    def _look(self) -> tuple[Picture, list[Group]]:
        """All that takes time is worked out here rather than where keys are answered."""
        picture = self.source.look()
        _ = picture.cells, picture.total, picture.regularizers, picture.datasets
        groups = grouped(picture.runs, self.groups)
        for group in groups:
            _ = group.state
        return picture, groups

    def _seen(self, found: tuple[Picture, list[Group]]) -> None:
        picture = found[0]
        message = news(self.picture, picture)
        self.picture, self.groups, self.trouble = *found, ""
        self._answer()
        if page := self._page():
            page.show(picture)
        if message:
            self.announce(message)

    def _missed(self, reason: str) -> None:
        if not self.trouble:  # in full, once: it may name what to do
            self.say(reason, "warning")
        self.trouble = reason
        self._answer()

    def _answer(self) -> None:
        self.asked, self.answered = None, self.clock()
        self.tick()

    def announce(self, message: str) -> None:
        """Tell a person who may be looking elsewhere."""
        self.say(message)
        if self._driver:
            self._driver.write(escapes(message))
        if self.hook:
            hook = self.hook
            in_background(self, lambda: run_hook(hook, message), lambda _: None, self._failed)

    def say(self, message: str, severity: Severity = "information") -> None:
        self.notify(message, severity=severity, markup=False, timeout=8)

    async def open_runs(self, regularizer: str, dataset: str) -> None:
        await self.push_screen(RunsPage(regularizer, dataset, search=False))

    async def open_run(self, run_id: str) -> None:
        await self.push_screen(RunPage(run_id))

    async def open_log(self, runs: Sequence[Run]) -> None:
        """The log of the run that tells most of these."""
        if not runs:
            self.say("no run is under the cursor", "warning")
            return
        await self.push_screen(LogPage(min(runs, key=lambda run: STATES.index(run.state))))

    async def action_search(self, words: str = "") -> None:
        if not isinstance(self.screen, RunsPage):
            await self.push_screen(RunsPage(ALL, ALL, search=True))
        page = self.screen
        assert isinstance(page, RunsPage)
        page.start_search(words)

    async def pasted(self, line: str) -> None:
        """A search may be pasted with its slash, wherever one is."""
        if line.startswith("/") and isinstance(self.screen, Page):
            await self.action_search(line[1:])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A slash is a character where one writes, and says nothing to a question."""
        if action == "search":
            return isinstance(self.screen, Page) and not isinstance(self.focused, Input)
        return True

    def get_line_filters(self) -> Sequence[LineFilter]:
        """With NO_COLOR the terminal's own ink and ground, where Textual would paint greys."""
        return [Colourless()] if self.no_color else super().get_line_filters()

    async def action_errors(self) -> None:
        if not isinstance(self.screen, FailuresPage):
            await self.push_screen(FailuresPage())

    async def action_help(self) -> None:
        await self.push_screen(Help())

    def action_pause(self) -> None:
        self.paused = not self.paused
        self.tick()

    async def ask(self, verb: str, runs: Sequence[Run]) -> None:
        """Cancel or retry those of the runs that this can be done to, once a person says yes."""
        states = CANCELLABLE if verb == "cancel" else RETRIABLE
        held = verb == "retry"  # a planned run with a note was cancelled, or given up
        chosen = [r.run_id for r in runs if r.state in states or (held and r.state == "planned" and r.note)]
        if not chosen:
            self.say(
                f"nothing to {verb} there: none of {plural(len(runs), 'run')} is {', '.join(states)}",
                "warning",
            )
            return
        others = f" ({len(runs) - len(chosen):,} others are left alone)" if len(chosen) < len(runs) else ""
        question = f"{verb.capitalize()} {plural(len(chosen), 'run')}{others}? {CONSEQUENCES[verb]}"

        def answered(yes: bool | None) -> None:
            if yes:
                call = self.source.cancel if verb == "cancel" else self.source.retry
                in_background(self, lambda: call(chosen), self._done, self._failed)

        await self.push_screen(Confirm(question, verb.capitalize()), answered)

    def _done(self, message: str) -> None:
        self.say(message)
        self.action_look()

    def _failed(self, reason: str) -> None:
        self.say(reason, "error")
