"""The interface in tests: a clock that stands still, a source that answers at once."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from textual.pilot import Pilot

from jobs.watch.app import WatchApp
from jobs.watch.watch_source import Source
from tests.jobs.watch.synthetic import NOW

WAIT = 30.0  # seconds; a busy machine is no failure


@asynccontextmanager
async def watching(
    source: Source,
    size: tuple[int, int] = (80, 24),
    clock: Callable[[], datetime] = lambda: NOW,
    notifications: bool = False,
    **options: Any,
) -> AsyncIterator[tuple[WatchApp, Pilot[None]]]:
    """The interface after its first answer, if one is to be had."""
    app = WatchApp(source, clock=clock, **options)
    async with app.run_test(size=size, notifications=notifications) as pilot:
        await until(pilot, lambda: app.answered is not None)
        yield app, pilot


async def until(pilot: Pilot[None], true: Callable[[], bool], seconds: float = WAIT) -> None:
    """Wait for what another thread brings."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await pilot.pause()
        if true():
            await pilot.pause()
            return
        await pilot.pause(0.02)
    assert isinstance(pilot.app, WatchApp)
    raise AssertionError(f"it did not come to that:\n{text(pilot.app)}")


def text(app: WatchApp) -> str:
    """What the screen says, line by line."""
    width, height = app.size
    lines = app.screen._compositor.render_strips(app.size)
    return "\n".join("".join(segment.text for segment in line)[:width] for line in lines[:height])
