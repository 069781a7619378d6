"""What does not fit on a page, on as many as it takes, each about as full as the others."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")
_COLUMNS = 6


@dataclass(frozen=True)
class Page:
    """One of `count` pages, from 1; `by` says what is shared out, where more than entries are."""

    number: int
    count: int
    by: str = ""

    @property
    def suffix(self) -> str:
        """What tells its file name from the other pages'."""
        return f"-{self.by}{'-' * bool(self.by)}{self.number}" if self.count > 1 else ""

    @property
    def words(self) -> str:
        """For its caption, e.g. `Page 2 of 3.` or `Page 1 of 2 by layers.`; nothing of an only one."""
        by = f" by {self.by}" if self.by else ""
        return f"Page {self.number} of {self.count}{by}." if self.count > 1 else ""


def even_pages(items: Sequence[Item], most: int, by: str = "") -> Iterator[tuple[Page, list[Item]]]:
    """The items of each page, at most so many.

    >>> [(page.suffix, page.words, items) for page, items in even_pages("abcde", 4)]
    [('-1', 'Page 1 of 2.', ['a', 'b', 'c']), ('-2', 'Page 2 of 2.', ['d', 'e'])]
    """
    count = math.ceil(len(items) / most)
    for page in range(count):
        start, end = (math.ceil(at * len(items) / count) for at in (page, page + 1))
        yield Page(page + 1, count, by), list(items[start:end])


def columns(names: Iterable[str], by: str = "layers") -> Iterator[tuple[Page, list[str]]]:
    """What a page shows side by side, each once, in the order in which they come."""
    return even_pages(list(dict.fromkeys(names)), _COLUMNS, by)
