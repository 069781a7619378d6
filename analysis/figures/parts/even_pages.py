"""What does not fit on a page, on as many as it takes, each about as full as the others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def even_pages(items: Sequence[Item], most: int) -> Iterator[tuple[str, list[Item]]]:
    """The items of each page, at most so many, with what tells its file name from the other pages'.

    >>> list(even_pages("abcde", 4))
    [('-1', ['a', 'b', 'c']), ('-2', ['d', 'e'])]
    """
    count = math.ceil(len(items) / most)
    for page in range(count):
        start, end = (math.ceil(at * len(items) / count) for at in (page, page + 1))
        yield f"-{page + 1}" if count > 1 else "", list(items[start:end])
