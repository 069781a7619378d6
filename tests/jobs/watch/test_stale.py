"""A source that is slow, lost, or broken."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import timedelta

from jobs.watch.freshness import Freshness
from jobs.watch.picture import Picture
from jobs.watch.screens.runs_page import RunsPage
from tests.jobs.watch.app import text, until, watching
from tests.jobs.watch.synthetic import NOW, SyntheticSource, picture


class SlowSource(SyntheticSource):
    """Answers once, and then not before it is let go."""

    def __init__(self, shown: Picture) -> None:
        super().__init__(shown)
        self.go = threading.Event()

    def look(self) -> Picture:
        if self.calls:
            self.go.wait(60)
        return super().look()


def test_a_source_that_does_not_answer_shows_as_stale_and_freezes_nothing() -> None:
    source, late = SlowSource(picture(1000)), [NOW]

    async def run() -> None:
        async with watching(source, clock=lambda: late[0]) as (app, pilot):
            assert "now" in text(app).splitlines()[0]
            late[0] = NOW + timedelta(minutes=5)
            app.tick()  # asks, and gets no answer
            await until(pilot, lambda: "STALE, 5 min ago" in text(app))
            began = time.monotonic()
            await pilot.press("j", "enter")
            assert isinstance(app.screen, RunsPage)
            assert time.monotonic() - began < 10
            assert app.asked is not None
            source.shown = picture(50, late[0])
            source.go.set()
            await until(pilot, lambda: "STALE" not in text(app) and "50 runs" in text(app))

    asyncio.run(run())


def test_quitting_does_not_wait_for_a_lost_source() -> None:
    source = SlowSource(picture(50))

    async def run() -> None:
        async with watching(source) as (app, pilot):
            await pilot.press("r")
            await pilot.press("q")
            await until(pilot, lambda: not app.is_running)

    began = time.monotonic()
    asyncio.run(run())
    assert time.monotonic() - began < 30
    source.go.set()


def test_what_is_wrong_is_said_and_the_last_picture_stays() -> None:
    source, late = SyntheticSource(picture(1000)), [NOW]

    async def run() -> None:
        async with watching(source, clock=lambda: late[0]) as (app, pilot):
            source.broken = "ssh: connect to host hpc: [Errno 110] timed out"
            late[0] = NOW + timedelta(seconds=20)
            await pilot.press("r")
            await until(pilot, lambda: "STALE, 20 s ago: ssh: connect to host hpc" in text(app))
            assert "1,000 runs" in text(app) or "label_smoothing" in text(app)
            await pilot.press("l")
            await until(pilot, lambda: "timed out" in text(app).splitlines()[4])
            source.broken = ""
            app.action_look()
            await until(pilot, lambda: app.trouble == "")

    asyncio.run(run())


def test_before_the_first_answer_it_says_what_it_waits_for() -> None:
    source = SyntheticSource(picture(50), broken="results/demo holds no runs.parquet: nothing was submitted")

    async def run() -> None:
        async with watching(source) as (app, pilot):
            await until(pilot, lambda: "nothing was submitted" in text(app))
            await pilot.press("j", "k", "G", "enter", "l", "x", "R", "e", "escape", "slash", "s", "escape")
            assert app.is_running

    asyncio.run(run())


def test_freshness_in_words() -> None:
    def said(**values: object) -> str:
        return Freshness(**({"age": 3.0, "every": 10.0} | values)).text().plain  # type: ignore[arg-type]

    assert said(age=0.4) == "now"
    assert said() == "3 s ago"
    assert said(age=None) == "asking"
    assert said(age=None, asked=12.0) == "asking for 12 s"
    assert said(age=29.0) == "29 s ago"
    assert said(age=31.0) == "STALE, 31 s ago"
    assert said(age=31.0, every=60.0) == "31 s ago"
    assert said(trouble="lost") == "STALE, 3 s ago: lost"
    assert said(age=500.0, paused=True) == "‖ paused, 8 min ago"
