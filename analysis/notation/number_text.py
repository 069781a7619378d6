"""Numbers for people: as many decimals as the interval supports."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from analysis.notation.intervals import Interval


def decimals(half: float, default: int = 2) -> int:
    """Decimals that show one digit of the interval's half width, two if that digit is a 1.

    At least one; `default` where there is no interval, or one without width.

    >>> decimals(0.34), decimals(0.14), decimals(3.0)
    (1, 2, 1)
    """
    if not math.isfinite(half) or half <= 0:
        return default
    mantissa, exponent = f"{half:.1e}".split("e")
    return max(1, -int(exponent) + mantissa.startswith("1"))


def number(value: float, places: int, signed: bool = False) -> str:
    """With a real minus sign; a dash where there is no number; zero without a sign; ∞ as it is written."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    value = round(value, places) + 0.0
    text = f"{value:{'+' if signed and value else ''}.{places}f}"
    return text.replace("-", "−")


def p_value(p: float) -> str:
    """Three decimals; a dash where there is none.

    >>> p_value(0.0432), p_value(0.0004)
    ('0.043', '<0.001')
    """
    return "<0.001" if p < 0.001 else number(p, 3)


def plus_minus(found: Interval, places: int | None = None, signed: bool = False) -> str:
    """`97.9 ± 0.3`; the mean alone where a single value has no interval."""
    places = decimals(found.half) if places is None else places
    mean = number(found.mean, places, signed)
    return mean if math.isnan(found.half) else f"{mean} ± {number(found.half, places)}"


def ratios(found: Sequence[Interval]) -> list[str]:
    """Of a column: as many decimals for all as suit the typical one."""
    ends = [(math.exp(each.mean - each.half), math.exp(each.mean + each.half)) for each in found]
    halves = [(high - low) / 2 for low, high in ends if high - low > 0]
    places = decimals(median(halves)) if halves else None
    return [ratio(each, places) for each in found]


def ratio(found: Interval, places: int | None = None) -> str:
    """A ratio with its interval, of the mean of its natural logarithm: their geometric mean.

    >>> ratio(Interval(10, math.log(0.5), 0.1)), ratio(Interval(1, math.log(3), math.nan))
    ('0.50 [0.45, 0.55]', '3.00')
    """
    if math.isnan(found.mean) or math.isnan(found.half):
        return number(math.exp(found.mean), 2 if places is None else places)
    low, mean, high = (math.exp(found.mean + side * found.half) for side in (-1, 0, 1))
    places = decimals((high - low) / 2) if places is None else places
    return f"{number(mean, places)} [{number(low, places)}, {number(high, places)}]"


def count(how_many: int, word: str) -> str:
    """
    >>> count(1, "run"), count(2000, "run")
    ('1 run', '2,000 runs')
    """
    return f"{how_many:,} {word}" + "s" * (how_many != 1)
