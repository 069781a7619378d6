"""Many small things that are waited for, as files on a network file system: side by side where it pays."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

AT_ONCE = 32  # on a network file system reading is waiting
EACH = 16  # to each thread at a time, so that handing them out costs nothing
WAITING = 0.001  # seconds each, and
MORE = 3.0  # times what it works, as one also waits for a processor that others use

Item = TypeVar("Item")
Result = TypeVar("Result")


def each_of(items: Sequence[Item], work: Callable[[Item], Result]) -> Iterator[Result]:
    """What `work` gives for each, in order. The first few tell whether threads would help."""

    def some(part: Sequence[Item]) -> list[Result]:
        return [work(item) for item in part]

    first, *rest = (items[start : start + EACH] for start in range(0, len(items) or 1, EACH))
    begun, worked = time.perf_counter(), time.thread_time()
    found = some(first)
    worked = time.thread_time() - worked
    waited = time.perf_counter() - begun - worked
    yield from found
    if waited < max(WAITING * len(first), MORE * worked):  # then threads only get in each other's way
        for part in rest:
            yield from map(work, part)
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for found in pool.map(some, rest):
            yield from found
