"""How much memory and time something may take at most, measured."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
SPARE = 8_000_000_000  # bytes of addresses: what takes more fails, rather than this machine


@contextmanager
def bounded(megabytes: float, seconds: float = 60) -> Iterator[None]:
    """Fails if what happens within has ever more memory than that beside what there was, or does not end."""
    _RESET.write_text("5", encoding="ascii")  # the largest size so far is that of now
    before = _size("VmRSS")
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_size("VmSize") + SPARE, limits[1]))
    handler = signal.signal(signal.SIGALRM, _late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, limits)
    took = (_size("VmHWM") - before) / 1e6
    assert took < megabytes, f"{took:.0f} MB"


def _late(number: int, frame: FrameType | None) -> None:
    raise AssertionError("it does not end")


def _size(name: str) -> int:
    line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024
