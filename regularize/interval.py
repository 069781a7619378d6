"""Which numbers are valid, and where that ends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The numbers from `low` to `high`, but for an end that is left out.

    `whole` says that what lies between two whole numbers acts as one of them: no grid goes on there.
    """

    low: float = 0.0
    high: float = math.inf
    above_low: bool = False
    below_high: bool = False
    whole: bool = False

    def __str__(self) -> str:
        begin = "[("[self.above_low]
        end = "])"[self.below_high or math.isinf(self.high)]
        return f"a number in {begin}{self.low:g}, {self.high:g}{end}"

    @property
    def ends(self) -> tuple[float, ...]:
        """The valid numbers beyond which none is."""
        return tuple(end for end in (self.low, self.high) if self.holds(end))

    def holds(self, value: float) -> bool:
        inside = self.low <= value <= self.high and math.isfinite(value)
        return inside and not (
            (self.above_low and value == self.low) or (self.below_high and value == self.high)
        )

    def check(self, value: Any) -> float:
        """The value as a float, or `ValueError` saying what is valid."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.holds(value):
            raise ValueError(str(self))
        return float(value)
