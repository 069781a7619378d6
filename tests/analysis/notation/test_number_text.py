from __future__ import annotations

import math

import pytest

from analysis.notation.intervals import Interval
from analysis.notation.number_text import decimals, number, plus_minus


@pytest.mark.parametrize(
    ("half", "places"),
    [
        (0.34, 1),
        (0.14, 2),
        (0.0999, 2),
        (0.00251, 3),
        (0.1, 2),
        (0.95, 1),
        (12.0, 1),
        (0.0, 2),
        (math.nan, 2),
    ],
)
def test_decimals_follow_the_interval(half: float, places: int) -> None:
    assert decimals(half) == places


@pytest.mark.parametrize(
    ("value", "places", "signed", "text"),
    [
        (-1.25, 1, False, "−1.2"),
        (0.5, 2, True, "+0.50"),
        (-0.001, 1, True, "0.0"),
        (math.nan, 2, False, "–"),
        (97.123, 0, False, "97"),
    ],
)
def test_number(value: float, places: int, signed: bool, text: str) -> None:
    assert number(value, places, signed) == text


def test_plus_minus() -> None:
    assert plus_minus(Interval(5, 97.876, 0.31)) == "97.9 ± 0.3"
    assert plus_minus(Interval(5, 0.4, 0.31), signed=True) == "+0.4 ± 0.3"
    assert plus_minus(Interval(1, 97.876, math.nan)) == "97.88"
    assert plus_minus(Interval(0, math.nan, math.nan)) == "–"
