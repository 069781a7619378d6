"""Failures by exception, and one traceback of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from jobs.support.plain_text import plain
from jobs.support.readable_numbers import plural
from jobs.watch.picture import Failures, Picture, Run
from jobs.watch.screens.base_page import Page
from jobs.watch.state_looks import looks
from jobs.watch.widgets.rows import Rows


class FailureRows(Rows):
    shown: Sequence[Failures] = ()

    def show(self, failures: Sequence[Failures]) -> None:
        self.styles.height = len(failures) + 1
        self.replace(failures)

    @property
    def current(self) -> Failures | None:
        return self.shown[self.cursor] if self.shown else None

    def heading(self, width: int) -> Text:
        return Text(f" {'runs':>6}  {'packs':>6}  error")

    def line(self, index: int, width: int, part: int = 0) -> Text:
        group = self.shown[index]
        text = Text(f" {group.runs:>6,}  {group.packs:>6,}  ")
        ink = looks(self.app.current_theme.dark)["failed"].ink
        return text.append(group.exception, style=f"bold {ink}").append(group.message[len(group.exception) :])


class FailuresPage(Page):
    CSS = """
    FailureRows { margin: 1 0 0 0; max-height: 40%; }
    #traceback { height: 1fr; margin: 1 0 0 0; border-top: solid $panel; padding: 0 1; }
    """

    def body(self) -> Iterable[Widget]:
        yield FailureRows()
        with VerticalScroll(id="traceback", can_focus=True):
            yield Static(markup=False)

    def on_mount(self) -> None:
        self.query_one(FailureRows).focus()

    def show(self, picture: Picture) -> None:
        self.query_one(FailureRows).show(picture.failures)

    def selected(self) -> Sequence[Run]:
        group = self._current()
        runs = self.home.picture.runs if self.home.picture else ()
        return [run for run in runs if group and run.state == "failed" and run.note == group.message]

    def on_rows_moved(self) -> None:
        group = self._current()
        text = Text("Nothing has failed." if group is None else "")
        if group:
            count = f"{plural(group.runs, 'run')} of {plural(group.packs, 'pack')} ended so"
            text.append(f"{count}; this one in {group.path}\n\n", style="dim").append(plain(group.traceback))
        self.query_one("#traceback Static", Static).update(text)

    async def action_open(self) -> None:
        self.query_one("#traceback").focus()

    def _current(self) -> Failures | None:
        return self.query_one(FailureRows).current
