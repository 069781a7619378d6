"""The numbers a strength is tuned over: one, a list, or evenly or logarithmically spaced."""

from __future__ import annotations

from jobs.sweep.yaml_checks import Node

MOST_SPACED = 1_000
SPACED = {
    "linspace": "So many numbers from one end to the other, evenly spaced. "
    "Example: `linspace: [0.05, 0.3, 6]`.",
    "logspace": "The same, evenly spaced on a logarithmic scale; the ends are the numbers themselves, not "
    "exponents. Example: `logspace: [1e-3, 1e-1, 5]`.",
}


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
    fields = strength.mapping(SPACED)
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
