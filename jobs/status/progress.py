"""How far a submission has come: a live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from jobs.status.overview import Overview
from jobs.store.failed_packs import Failure
from jobs.store.pack_status import Packs
from jobs.support.readable_numbers import duration, plural

if TYPE_CHECKING:
    from jobs.planning.packing import Pack

LINE_SECONDS = 30.0
_SHOWN = ("running", "queued", "interrupted", "diverged", "failed", "lost", "unknown")

Update = Callable[[Overview, float | None], None]


@contextmanager
def display(console: Console) -> Iterator[Update]:
    """Yields what is to be called with every new overview and the seconds left, None while unknown."""
    reported: set[str] = set()
    with _bar(console) if console.is_terminal else _lines(console) as show:

        def update(overview: Overview, left: float | None) -> None:
            for failed in overview.failures:
                if failed.pack_id not in reported:
                    reported.add(failed.pack_id)
                    console.print(Text(failure_line(failed), style="red"), soft_wrap=True)
            show(overview, left)

        yield update


def summary(overview: Overview) -> str:
    """`120 of 280 runs done, 16 running, 2 diverged`; a diverged run is a done one too.

    With report runs that are to follow `24 of 84 runs done (tune 24 of 48, then 36 report runs)`.
    """
    counts = overview.runs
    total = plural(counts.total() + overview.ahead, "run")
    parts = [f"{counts[state]:,} {state}" for state in _SHOWN if counts[state]]
    return ", ".join([f"{_finished(counts):,} of {total} done{_phases(overview)}", *parts])


def _phases(overview: Overview) -> str:
    """How far each phase is, while there is more than one."""
    phases = [f"{name} {_finished(each):,} of {each.total():,}" for name, each in overview.phases.items()]
    if overview.ahead:
        phases.append(f"then {plural(overview.ahead, 'report run')}")
    return f" ({', '.join(phases)})" if len(phases) > 1 else ""


def _finished(counts: Counter[str]) -> int:
    return counts["done"] + counts["diverged"]


def failure_line(failed: Failure) -> str:
    return f"{plural(failed.runs, 'run')} of pack {failed.pack_id} failed: {failed.message} ({failed.path})"


def seconds_left(
    slices: Sequence[Sequence[Pack]], packs: Packs, elapsed: float, ahead: float = 0.0
) -> float | None:
    """Seconds until the slowest of the tasks ends, at the speed of the `elapsed` seconds so far.

    The slices are as they were planned, `ahead` are the seconds planned for what follows them; None before
    a thousandth is done, which is no speed yet.
    """
    left = [
        sum(pack.whole * pack.share_left(packs.statuses.get(pack.pack_id)) for pack in slice_)
        for slice_ in slices
    ]
    planned = sum(pack.seconds for slice_ in slices for pack in slice_)
    gone = planned - sum(left)
    return (max(left) + ahead) * elapsed * len(slices) / gone if gone > planned / 1000 else None


@contextmanager
def _bar(console: Console) -> Iterator[Update]:
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[words]}", markup=False))
    with Progress(*columns, console=console, transient=True, refresh_per_second=2) as progress:
        bar = progress.add_task("", total=1.0, words="starting")

        def show(overview: Overview, left: float | None) -> None:
            progress.update(bar, completed=overview.progress, words=_words(overview, left))

        yield show


@contextmanager
def _lines(console: Console) -> Iterator[Update]:
    next_line = time.monotonic() + LINE_SECONDS

    def show(overview: Overview, left: float | None) -> None:
        nonlocal next_line
        if time.monotonic() >= next_line:
            next_line = time.monotonic() + LINE_SECONDS
            console.print(f"{overview.progress:.0%}: {_words(overview, left)}", soft_wrap=True)

    yield show


def _words(overview: Overview, left: float | None) -> str:
    return summary(overview) + ("" if left is None else f", about {duration(left)} left")
