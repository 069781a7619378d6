"""How a worker of this machine ended, in words."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from jobs.worker.local_task import TOLD_TO_END

_COUNTS = Path("/proc/vmstat")
_OUT_OF_MEMORY = " (out of memory: the kernel ended a process for that just then)"


class Ending(NamedTuple):
    """`words` go on after the worker's name; `hopeless`: another would end as this one did."""

    words: str
    hopeless: bool


def how_it_ended(code: int, log: Path, *, out_of_memory: bool = False) -> Ending:
    """From the exit code, negative for a signal; an error outside of any pack is of the machine, and stays.

    >>> how_it_ended(-11, Path("worker-1.log")).words
    'was killed by signal 11 (SIGSEGV)'
    """
    number = signal.SIGTERM if code == TOLD_TO_END else -code
    if number == signal.SIGTERM:
        return Ending("was told to end (SIGTERM)", hopeless=False)
    if number > 0:
        short = out_of_memory and number == signal.SIGKILL
        return Ending(f"was killed by signal {number}{_OUT_OF_MEMORY if short else _name(number)}", False)
    return Ending(f"ended with an error: {_last_line(log)}", hopeless=True)


def kernel_kills(counts: Path = _COUNTS) -> int:
    """How many processes the kernel has ended for lack of memory so far; 0 where it does not say."""
    with suppress(OSError, ValueError):
        for line in counts.read_text(encoding="ascii").splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0


def _name(number: int) -> str:
    with suppress(ValueError):
        return f" ({signal.Signals(number).name})"
    return ""


def _last_line(log: Path) -> str:
    with suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it left no message"
    return "it left no message"
