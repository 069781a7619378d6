"""Settings drawn for a budget: equally many for every technique, spread over what they are drawn from."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

from jobs.sweep.strength_values import Range

_MOST_DOUBLINGS = 8  # of the budget, until a grid that is hard to hit is taken as exhausted


def draw(axes: Sequence[Sequence[Any] | Range], budget: int, name: str) -> list[tuple[Any, ...]]:
    """At most `budget` different points, a value of each axis in each; all there are, if there are no more.

    By a scrambled Sobol sequence (Owen, 1998), a sequence of its own for every `name`: a larger budget
    gives the same points and further ones, so nothing that was trained is lost.
    """
    lists = [axis for axis in axes if not isinstance(axis, Range)]
    if len(lists) == len(axes) and math.prod(map(len, lists)) <= budget:
        return list(itertools.product(*lists))
    found: dict[tuple[Any, ...], None] = {}
    for shares in _sobol(len(axes), budget, name):
        point = tuple(_value(axis, share) for axis, share in zip(axes, shares, strict=True))
        found.setdefault(point)
        if len(found) == budget:
            break
    return list(found)


def _value(axis: Sequence[Any] | Range, share: float) -> Any:
    return axis.at(share) if isinstance(axis, Range) else axis[int(share * len(axis))]


def _sobol(dimensions: int, budget: int, name: str) -> Iterator[Sequence[float]]:
    from scipy.stats.qmc import Sobol  # takes a second: only where something is drawn

    seed = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")
    sequence = Sobol(dimensions, scramble=True, rng=seed)
    for power in range(_MOST_DOUBLINGS):
        count = math.ceil(math.log2(budget)) + power - (power > 0)  # as many again as there are
        yield from sequence.random_base2(count).tolist()
