"""How long something has taken, and how much work it was, over interruptions."""

from __future__ import annotations

import time


class Stopwatch:
    """Seconds that it ran, in this attempt and earlier ones; it stands still until it is started."""

    def __init__(self) -> None:
        self._before = 0.0
        self._since: float | None = None

    def read(self) -> float:
        return self._before + (self._now() - self._since if self._since is not None else 0.0)

    def start(self) -> None:
        self.set(self.read())
        self._since = self._now()

    def stop(self) -> None:
        self.set(self.read())

    def set(self, seconds: float) -> None:
        """Stand still at so many seconds."""
        self._before, self._since = seconds, None

    def _now(self) -> float:
        return time.perf_counter()


class Workwatch(Stopwatch):
    """The same of this process's work: seconds of cores, of all its threads.

    A process that stands still, or waits for a core or for other ranks, does none.
    """

    def _now(self) -> float:
        return time.process_time()
