"""Numbers as people read them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """
    >>> [duration(s) for s in (0.2, 95, 4000, 200_000)]
    ['1 s', '2 min', '1 h 7 min', '2 d 7 h']
    """
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def size(count: float) -> str:
    """
    >>> [size(n) for n in (999, 1.24e6, 3e9)]
    ['999 B', '1.2 MB', '3.0 GB']
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def plural(count: int, word: str) -> str:
    """
    >>> plural(1, "run"), plural(2000, "run")
    ('1 run', '2,000 runs')
    """
    return f"{count:,} {word}" + ("" if count == 1 else "s")
