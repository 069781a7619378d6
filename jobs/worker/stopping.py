"""When a worker is to end: told by a signal, without its submitter, or with a pack that was cancelled."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from jobs.store.journal import read_journal
from jobs.store.submit_lock import alive

SUBMITTER_LOOK = JOURNAL_LOOK = 1.0  # seconds


def never(*_: object) -> bool:
    return False


class Stop:
    """Whether this process should checkpoint and end: on a signal, or when its submitter is gone.

    Must be made in the main thread, and after submitit has installed its own handlers, which
    ignore SIGTERM. A signal that comes a second time does what it did before.
    """

    def __init__(self, submitter: int | None, *signals: signal.Signals) -> None:
        self.asked = False
        self._submitter, self._next_look = submitter, 0.0
        self._before = {number: signal.signal(number, self._ask) for number in signals}

    def _ask(self, number: int, _: Any) -> None:
        self.asked = True
        signal.signal(number, self._before[signal.Signals(number)])

    def __call__(self) -> bool:
        if self._submitter and not self.asked and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + SUBMITTER_LOOK
            self.asked = not alive(self._submitter)
        return self.asked


class Cancelled:
    """Whether one of a pack's runs was cancelled, by the journal of the store; looks now and then."""

    def __init__(self, journal: Path) -> None:
        self._journal, self._runs, self._size, self._next_look = journal, frozenset[str](), 0, 0.0

    def __call__(self, runs: Sequence[str]) -> bool:
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + JOURNAL_LOOK
            with suppress(OSError):  # nobody has written to it, or the file system is away
                if (size := self._journal.stat().st_size) != self._size:
                    self._runs, self._size = read_journal(self._journal).cancelled, size
        return not self._runs.isdisjoint(runs)
