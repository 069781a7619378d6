"""How many seeds a comparison takes, which is known before anything is trained. Free of numpy."""

from __future__ import annotations

import itertools

ALPHA = 0.05


def smallest_p(n: int) -> float:
    """The least that the exact sign-flip test of n differences can give."""
    return 2.0 ** (1 - n)


def pairs_needed(comparisons: int) -> int:
    """The fewest pairs of seeds with which the sign-flip check can confirm one of so many comparisons.

    Holm asks 5% divided by their number of the smallest p.

    >>> [pairs_needed(m) for m in (1, 5, 12)]
    [6, 8, 9]
    """
    return next(n for n in itertools.count(2) if smallest_p(n) <= ALPHA / max(comparisons, 1))
