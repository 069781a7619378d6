"""One writer at a time for a pack, across hosts, whatever Slurm says of their jobs.

A worker holds the lock `lease` in the pack's folder while it trains, and touches it. Whoever finds one
watches it: once it is touched its holder lives, and the pack is left to it; one that stays silent is taken
over.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from jobs.store.submit_lock import Held, Kind, LockedError, submit_lock
from regularize.errors import UserError

WATCH_SECONDS = 1.0
PACK = Kind(doing="it is being trained", touch_seconds=10.0, late_seconds=80.0)


class LeaseLostError(UserError):
    """Another worker has taken the pack over, as this one was silent for too long."""


@contextmanager
def lease(
    path: Path, stop: Callable[[], bool], say: Callable[[str], None], every: float = 0.0
) -> Iterator[Held | None]:
    """Hold a pack's lease; None where another worker has it, of which `say` is told, or if it is to `stop`.

    It is touched `every` so many seconds, where that is less often than usual.

    Raises:
        UserError: it cannot be written.
    """
    kind = replace(PACK, touch_seconds=max(every, PACK.touch_seconds))
    with ExitStack() as stack:
        yield _taken(stack, path, kind, stop, say)


def _taken(
    stack: ExitStack, path: Path, kind: Kind, stop: Callable[[], bool], say: Callable[[str], None]
) -> Held | None:
    first = None
    while True:
        try:
            return stack.enter_context(submit_lock(path, kind))
        except LockedError as error:
            touched = _touched(path)
            first = first or touched
            if touched != first:
                say(f"{error}; it is left alone")
                return None
        if stop():
            return None
        time.sleep(WATCH_SECONDS)


def _touched(path: Path) -> tuple[int, int] | None:
    """Which file it is, and when it was last touched; opening it makes a network file system look again."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


class Fence:
    """Raises `LeaseLostError` once a lease is no longer this process's; looks as often as it is touched."""

    def __init__(self, held: Held) -> None:
        self._held, self._next = held, time.monotonic() + held.touch_seconds

    def __call__(self) -> bool:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._held.touch_seconds
            self.check()
        return False

    def check(self) -> None:
        """Look now."""
        if self._held.lost():
            raise LeaseLostError(f"{self._held.path} is another worker's by now")
