"""The words of the header and of lists, shared by the terminal interface and `--once`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from rich.text import Text

from jobs.status.overview import Queue
from jobs.support.readable_numbers import duration, plural
from jobs.watch.picture import Pack, Picture, Tally
from jobs.watch.state_looks import LETTERS, Look, trouble


def counts(tally: Tally, palette: Mapping[str, Look] | None = None, *, short: bool = False) -> Text:
    """`D 120 done  R 16 running`, without states that no run is in; `short`: without the words."""
    text = Text(no_wrap=True)
    for state in reversed(LETTERS):
        if tally.counts[state]:
            ink = palette[state].ink if palette else ""
            text.append("  " if text else "").append(f"{LETTERS[state]} ", style=f"bold {ink}")
            text.append(f"{tally.counts[state]:,}" + ("" if short else f" {state}"), style=ink)
    return text


def done(picture: Picture) -> str:
    return f"{picture.total.finished:,} of {plural(len(picture.runs) + picture.ahead, 'run')} done"


def phases(picture: Picture) -> str:
    """How far each is, where there are several: `tune 24/48, then 36 report runs`."""
    parts = [f"{name} {each.finished:,}/{each.counts.total():,}" for name, each in picture.phases.items()]
    parts += [f"then {plural(picture.ahead, 'report run')}"] if picture.ahead else []
    return ", ".join(parts) if len(parts) > 1 else ""


def pace(picture: Picture, now: datetime) -> str:
    """Throughput and what is left of it, as far as they are known."""
    if picture.over:
        failed = trouble(picture.total)
        return "all over" + (f", {plural(failed, 'run')} without a result" if failed else "")
    parts = []
    if picture.speed:
        parts.append(f"{picture.speed:,.0f} runs/h" if picture.speed >= 10 else f"{picture.speed:.1f} runs/h")
    if picture.seconds_left is not None:
        end = (now + timedelta(seconds=picture.seconds_left)).astimezone()
        day = "" if end.date() == now.astimezone().date() else f"{end:%b %d} "
        parts.append(f"{duration(picture.seconds_left)} left, until {day}{end:%H:%M}")
    return " · ".join(parts)


def active(pack: Pack) -> str:
    parts = [plural(pack.runs, "run"), f"epoch {pack.epoch} of {pack.epochs}"]
    parts += [f"{duration(pack.seconds_left)} left"] if pack.seconds_left is not None else []
    parts += [f"silent for {duration(pack.age)}"] if pack.age > 60 else []
    return " · ".join([f"{pack.host}{f' {pack.job}' if pack.job else ''}", *parts])


def waiting(queue: Queue) -> str:
    reason = f" ({queue.reason})" if queue.reason not in ("", "None") else ""
    start = f", starts about {clock(queue.start)}" if queue.start else ""
    jobs = plural(queue.elements, "job")
    return f"{queue.job_id} · {jobs}, {plural(queue.runs, 'run')} {queue.state.lower()}{reason}{start}"


def clock(time: str) -> str:
    try:
        return f"{datetime.fromisoformat(time).astimezone():%b %d %H:%M}"
    except (ValueError, OverflowError):  # another machine's or a store's
        return time
