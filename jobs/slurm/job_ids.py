"""Job ids as Slurm prints them: `13`, `13_4`, `13_[4-9%2]`, `13_[1,4-6]`, `13_[0-8:4]`, `13+1`."""

from __future__ import annotations

import re
from datetime import datetime

_ID = re.compile(r"(\d+)(?:\+\d+)?(?:_(?:(\d+)|\[([\d,:-]+)(?:%\d+)?\]))?", re.ASCII)
_ANSWER = re.compile(r"(\d+)(?:;\S+)?", re.ASCII)
_RANGE = re.compile(r"(\d+)(?:-(\d+)(?::(\d+))?)?", re.ASCII)
_LARGEST_INDEX = 4_000_000  # of Slurm's arrays, whatever MaxArraySize is


def indices(text: str) -> tuple[str, tuple[int | None, ...]]:
    """The job's id and the indices of the array's elements that are meant; `(None,)` where it is no array.

    >>> indices("13_[1,4-6%2]")
    ('13', (1, 4, 5, 6))

    Raises:
        ValueError: the text is no job id, or of a step (`13.batch`).
    """
    parts = _ID.fullmatch(text)
    if not parts:
        raise ValueError(f"{text!r} is no job id")
    if parts[2]:
        return parts[1], (int(parts[2]),)
    if not parts[3]:
        return parts[1], (None,)
    found: list[int | None] = []
    for piece in parts[3].split(","):
        span = _RANGE.fullmatch(piece)
        if not span:
            raise ValueError(f"{text!r} is no job id")
        first, last = int(span[1]), int(span[2] or span[1])
        if last > _LARGEST_INDEX:
            raise ValueError(f"{text!r} is no job id: no array is that large")
        found += range(first, last + 1, int(span[3] or 1))
    return parts[1], tuple(found)


def answered(text: str) -> str:
    """The id in the answer of `sbatch --parsable`, `13` or `13;alpha`, whatever a site prints around it.

    >>> answered("your last job 1 used 3%\\n13;alpha\\n")
    '13'

    Raises:
        ValueError: no line is an id, or several are.
    """
    found = [parts[1] for line in text.splitlines() if (parts := _ANSWER.fullmatch(line.strip()))]
    if len(found) != 1:
        raise ValueError(f"{text.strip()!r} has no job's id on a line of its own")
    return found[0]


def instant(text: str) -> datetime | None:
    """A time with its zone, None for `N/A`, `Unknown` and `None`.

    sacct prints none: its times are local, as those of every program of this host.
    """
    return datetime.fromisoformat(text).astimezone() if text[:1].isdigit() else None
