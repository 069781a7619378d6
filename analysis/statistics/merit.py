"""Which of the strengths that were tried scores better, and which score as well. Imports nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Row = Mapping[str, Any]
"""Of a strength of one cell: `mean`, `n_diverged` and the `metric` that these are of."""


def merit(row: Row) -> tuple[float, int]:
    """Smaller is better.

    Twelve digits: equal scores must not be told apart by the rounding of their sums.
    """
    sign = 1 if row["metric"].endswith("loss") else -1
    return sign * round(row["mean"], 12), row["n_diverged"]


def equals_of(chosen: Row, tried: Iterable[Row]) -> list[str]:
    """The strengths that score as well as the one chosen, which is one of those `tried`."""
    return [row["strength"] for row in tried if row is not chosen and merit(row) == merit(chosen)]
