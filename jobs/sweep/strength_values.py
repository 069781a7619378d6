"""The numbers a strength is tuned over: one, a list, or evenly or logarithmically spaced."""

from __future__ import annotations

import math
from dataclasses import dataclass

from jobs.sweep.yaml_checks import Node

MOST_SPACED = 1_000
SPACED = {
    "linspace": "So many numbers from one end to the other, evenly spaced. "
    "Example: `linspace: [0.05, 0.3, 6]`.",
    "logspace": "The same, evenly spaced on a logarithmic scale; the ends are the numbers themselves, not "
    "exponents. Example: `logspace: [1e-3, 1e-1, 5]`.",
}
RANGES = {
    "uniform": "Numbers that a `budget` draws between the two ends; of epochs, steps, batch size, patience "
    "and shifts whole ones, each as likely. Example: `uniform: [0, 0.8]`.",
    "loguniform": "The same, evenly on a logarithmic scale. Example: `loguniform: [1e-4, 1]`.",
}


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers from `low` to `high` to draw from, evenly or evenly on a logarithmic scale; `whole` ones alone
    of what acts as one of these anyway: settings that differ by a fraction alone would count as two tries."""

    place: Node
    low: float
    high: float
    logarithmic: bool
    whole: bool = False

    def at(self, share: float) -> float:
        """The number at a share of the way in [0, 1): to three digits, as one would write it, or whole."""
        high = self.high + self.whole  # what is between it and the next whole number is this one
        if self.logarithmic:
            number = float(self.low ** (1 - share) * high**share)
        else:
            number = self.low * (1 - share) + high * share
        if self.whole:
            return min(max(math.floor(number), int(self.low)), int(self.high))  # as powers round
        return min(max(float(f"{number:.3g}"), self.low), self.high)


def read_numbers(strength: Node) -> list[tuple[Node, float]]:
    """Each number with the place to blame for it.

    Understood are `0.1`, `[0.1, 0.2]`, and `{linspace: [from, to, count]}` or
    `{logspace: [from, to, count]}`, where from and to are the ends themselves, not exponents.

    Raises:
        UserError: none of these, an empty list, or the same number twice.
    """
    if isinstance(strength.value, dict):
        return [(strength, number) for number in _spaced(strength)]
    return [(item, item.number()) for item in strength.distinct()]


def _spaced(strength: Node) -> list[float]:
    fields = strength.mapping((*SPACED, *RANGES))
    for kind in RANGES:
        if kind in fields:
            raise fields[kind].error(
                f"{kind} is drawn from, so the sweep needs a `budget:` of settings to draw"
            )
    if len(fields) != 1:
        raise strength.error(f"{strength.key} needs either linspace or logspace")
    (kind, spacing), *_ = fields.items()
    if not isinstance(spacing.value, tuple) or len(spacing.value) != 3:
        raise spacing.refused("[from, to, count]")
    start, end, count = spacing.value[0].number(), spacing.value[1].number(), spacing.value[2].integer()
    if not 2 <= count <= MOST_SPACED:
        raise spacing.value[2].error(f"the count of {kind} is {count}, but must be from 2 to {MOST_SPACED}")
    if kind == "logspace" and min(start, end) <= 0:
        raise spacing.refused("between ends above 0 (the numbers themselves, not their exponents)")
    shares = [i / (count - 1) for i in range(count)]
    if kind == "linspace":
        numbers = [start * (1 - share) + end * share for share in shares]
    else:
        numbers = [start ** (1 - share) * end**share for share in shares]
    # 12 digits make them the numbers one would write (0.15, not 0.15000000000000002), with one run_id.
    return [float(f"{number:.12g}") for number in numbers]


def read_range(strength: Node, *, whole: bool = False) -> Range | None:
    """`{uniform: [from, to]}` or `{loguniform: [from, to]}`; None for whatever is no range.

    Raises:
        UserError: a range that is not from a number to a larger one, or not between `whole` numbers.
    """
    if not isinstance(strength.value, dict) or not strength.value.keys() & set(RANGES):
        return None
    fields = strength.mapping(RANGES)
    if len(fields) != 1:
        raise strength.error(f"{strength.key} needs either uniform or loguniform")
    (kind, ends), *_ = fields.items()
    if not isinstance(ends.value, tuple) or len(ends.value) != 2:
        raise ends.refused("[from, to]")
    low, high = (end.number() for end in ends.value)
    if not low < high:
        raise ends.refused("from a number to a larger one")
    if whole and not (low.is_integer() and high.is_integer()):
        raise ends.refused(f"between whole numbers, as {strength.key} counts in these")
    if kind == "loguniform" and low <= 0:
        raise ends.refused("between ends above 0 (the numbers themselves, not their exponents)")
    return Range(place=strength, low=low, high=high, logarithmic=kind == "loguniform", whole=whole)
