"""Ctrl-C while several processes draw: it is heard by the one that asked for them, and ends them all."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from multiprocessing import active_children
from typing import TypeVar

T = TypeVar("T")
LOOK_SECONDS = 0.5


@contextmanager
def deaf() -> Iterator[None]:
    """Processes that are started in here ignore Ctrl-C from the start, as ignoring is inherited."""
    if threading.current_thread() is not threading.main_thread():
        yield  # where handlers cannot be set, nobody gets the signal either
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def ending_children() -> Iterator[None]:
    """On Ctrl-C the processes end at once, rather than draw what nobody waits for."""
    try:
        yield
    except KeyboardInterrupt:
        for child in active_children():
            child.terminate()
        raise


def results(parts: Sequence[Future[T]]) -> list[T]:
    """Wait for all, by and by: a signal that comes as a wait begins is heard when that wait ends."""
    while wait(parts, timeout=LOOK_SECONDS).not_done:
        pass
    return [part.result() for part in parts]
