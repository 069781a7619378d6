"""Which columns fit, how wide each is, and names cut where they tell least. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """`least` is the width down to which it may be cut, `wanted` that of its longest value.

    Those of higher `rank` go first where not all fit.
    """

    name: str
    least: int
    wanted: int
    rank: int = 0


def fitted(columns: Sequence[Column], width: int) -> list[tuple[str, int]]:
    """The columns that fit into `width`, each followed by a blank: as wide as they want, or cut alike.

    >>> fitted([Column("state", 5, 5), Column("name", 8, 30)], 24)
    [('state', 6), ('name', 18)]
    """
    kept = list(columns)
    while len(kept) > 1 and sum(column.least + 1 for column in kept) > width:
        kept.remove(max(kept, key=lambda column: column.rank))
    widths = [column.wanted for column in kept]
    while sum(each + 1 for each in widths) > width:
        spare = [wide - column.least for wide, column in zip(widths, kept, strict=True)]
        if max(spare) <= 0:
            break
        widths[spare.index(max(spare))] -= 1
    return [(column.name, wide + 1) for column, wide in zip(kept, widths, strict=True)]


def shortened(text: str, width: int) -> str:
    """Without its middle, where it is too long: names that are much alike differ in front or at the end.

    >>> shortened("hard_svb_with_dropout", 12)
    'hard_s…opout'
    """
    if len(text) <= width:
        return text
    front = width // 2
    return f"{text[:front]}…{text[len(text) - (width - 1 - front) :]}" if width > 2 else text[:width]
