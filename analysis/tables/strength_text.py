"""The numbers in a strength's text, and where they stand among those that were tried. Imports little."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from itertools import zip_longest

from regularize.training_config import VALID

BATCH_SIZE = "batch_size"


def strength_order(strength: str) -> tuple[float, ...]:
    """The numbers of `RunConfig.strength`, to sort by: `1e-05` comes before `0.0001`."""
    return tuple(strength_numbers(strength).values())


def strength_numbers(strength: str) -> dict[str, float]:
    """What is tuned, by its name in the text; a number alone has none.

    >>> strength_numbers("0.01"), strength_numbers("l1=1e-05 l2=0.1 lr=0.05"), strength_numbers("")
    ({'': 0.01}, {'l1': 1e-05, 'l2': 0.1, 'lr': 0.05}, {})
    """
    parts = (part.rpartition("=") for part in strength.split())
    return {name: float(value) for name, _, value in parts}


def at_edges(strength: str, tried: Iterable[str]) -> dict[str, str]:
    """By name, where it is the `smallest` or `largest` number that was tried of several.

    >>> at_edges("l1=1 lr=0.1", ["l1=1 lr=0.1", "l1=2 lr=0.1", "l1=1 lr=0.2"])
    {'l1': 'smallest', 'lr': 'smallest'}
    """
    every = [strength_numbers(each) for each in tried]
    found = {}
    for name, value in strength_numbers(strength).items():
        values = {numbers[name] for numbers in every}
        if len(values) > 1 and value in (min(values), max(values)):
            found[name] = "smallest" if value == min(values) else "largest"
    return found


def at_ends(strength: str, own: Iterable[Collection[float]] = (), examples: float = math.inf) -> str:
    """What of the text is a number beyond which none is valid, or trains otherwise.

    `own` has such numbers for each of the techniques' strengths, which come first in the text; where these
    are not known they end at 0. Of settings they are known; a batch ends at all the `examples` of a training.

    >>> at_ends("epsilon=1 lr=0.02 epochs=1", [(0, 1)]), at_ends("1"), at_ends("0")
    ('epsilon=1 epochs=1', '', '0')
    >>> at_ends("lr=0.1 batch_size=100", examples=100)
    'batch_size=100'
    """
    found = []
    for word, ends in zip_longest(strength.split(), own):
        name, _, value = word.rpartition("=")
        if ends is None:
            ends = VALID[name].ends if name in VALID else (0.0,)
        whole = name == BATCH_SIZE and float(value) >= examples
        found += [word] if whole or value in [f"{end:.12g}" for end in ends] else []
    return " ".join(found)


def open_edges(chosen: str, equals: Iterable[str], tried: Sequence[str], ended: str) -> dict[str, str]:
    """By name, the edges on which the choice lies and beyond which a better one may.

    That is where none of the `equals`, the settings that score as well, lies inside, between the smallest
    and the largest number that were tried, and where the number can go on at all: it is not among the
    `ended`, which `at_ends` has. A grid that widens goes on at exactly these, and whoever reads of a choice
    is told of exactly these.

    >>> open_edges("0.1", ["1", "10"], ["0.1", "1", "10"], "")
    {}
    >>> open_edges("0.1", ["10"], ["0.1", "1", "10"], ""), open_edges("0.1", [], ["0.1", "1"], "0.1")
    ({'': 'smallest'}, {})
    """
    others, every = ([strength_numbers(each) for each in some] for some in (equals, tried))
    found = {}
    for name, end in at_edges(chosen, tried).items():
        values = [each[name] for each in every]
        inside = any(min(values) < each[name] < max(values) for each in others)
        if not inside and name not in strength_numbers(ended):
            found[name] = end
    return found
