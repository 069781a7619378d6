"""Regions of practical equivalence: differences that matter to nobody."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass

from regularize.errors import UserError


@dataclass(frozen=True)
class Region:
    """A region of practical equivalence: ±`size` in the unit of differences, or `relative`, that share.

    The share is of the baseline's error, where a score has one, else of its value.
    """

    size: float
    relative: bool = False


def read_region(text: str) -> Region:
    """`0.2` in the unit of differences, such as percentage points, or `5%` of the baseline's error.

    Raises:
        UserError: it is neither, or not above 0.
    """
    number, percent = text.strip().removesuffix("%"), text.strip().endswith("%")
    with suppress(ValueError):
        if math.isfinite(size := float(number)) and size > 0:
            return Region(size / 100, True) if percent else Region(size)
    raise UserError(
        f"region is {text!r}, but must be a number above 0, such as 0.2 (in the unit of differences), or a "
        "percentage of the baseline's error, such as 5%"
    )
