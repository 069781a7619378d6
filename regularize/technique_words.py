"""What people call techniques of one's own, kept with a store: figures are drawn where these are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from regularize.regularizers import REGULARIZERS, Technique, technique
from regularize.store import Store, read_json, write_json


@dataclass(frozen=True)
class Words:
    """Of a row: see `regularize.regularizers.parameters.Technique`."""

    label: str
    family: str
    symbol: str
    weaker_larger: tuple[str, ...] = ()
    """The strengths that regularize less where they are larger."""
    ends: Mapping[str, Sequence[float]] | None = None
    """Of each strength the valid numbers beyond which none is; None in words of before this was kept."""


def keep_words(store: Store, techniques: Iterable[str]) -> None:
    """Those of these techniques, beside what is there.

    Raises:
        UserError: one cannot be imported.
    """
    rows = {name: technique(name) for name in techniques}
    words = {name: _words(row) for name, row in rows.items()}
    if words:
        write_json(store.techniques, {name: asdict(w) for name, w in (kept_words(store) | words).items()})


def kept_words(store: Store) -> dict[str, Words]:
    """By the techniques' names in runs; none where nothing was kept, or it is damaged."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        return {name: Words(**words) for name, words in read_json(store.techniques).items()}
    return {}


def larger_is_weaker(technique: str, strength: str, words: Mapping[str, Words]) -> bool:
    """Of the project's by their table, of others by their `words`; without these it is not."""
    if technique in REGULARIZERS:
        return strength in _words(REGULARIZERS[technique]).weaker_larger
    return technique in words and strength in words[technique].weaker_larger


def ends_of(technique: str, strength: str, words: Mapping[str, Words]) -> Sequence[float]:
    """The valid numbers beyond which none is; of what is not known 0 alone."""
    known = _words(REGULARIZERS[technique]) if technique in REGULARIZERS else words.get(technique)
    ends = None if known is None else known.ends
    return (0.0,) if ends is None else ends.get(strength, (0.0,))


def _words(row: Technique) -> Words:
    weaker = tuple(name for name, strength in row.strengths.items() if strength.weaker == "larger")
    ends = {name: strength.ends for name, strength in row.strengths.items()}
    return Words(row.label, row.family, row.symbol, weaker, ends)
