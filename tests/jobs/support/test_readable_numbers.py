from __future__ import annotations

import pytest

from jobs.support.readable_numbers import duration, plural, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1 s"),
        (59.4, "59 s"),
        (59.9, "60 s"),
        (95, "2 min"),
        (3600, "1 h"),
        (4000, "1 h 7 min"),
        (86_399, "1 d"),
        (200_000, "2 d 7 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1.24e6, "1.2 MB"), (3e9, "3.0 GB"), (5e15, "5000.0 TB")]
)
def test_sizes(count: float, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 runs"), (1, "1 run"), (2000, "2,000 runs")])
def test_plurals(count: int, text: str) -> None:
    assert plural(count, "run") == text
