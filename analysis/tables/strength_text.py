"""The numbers in a strength's text, and where they stand among those that were tried. Imports nothing."""

from __future__ import annotations

from collections.abc import Iterable


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
