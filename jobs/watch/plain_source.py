"""A source whose words are plain: the interface draws escape sequences that stand in a name as they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeVar, cast

from jobs.support.plain_text import plain
from jobs.watch.picture import Picture, Run
from jobs.watch.run_detail import Detail, Piece
from jobs.watch.watch_source import Source
from regularize.errors import UserError

T = TypeVar("T")


@dataclass
class PlainSource:
    """`looked` are the runs of the last look, as they came and as they are plain: most stay as they are."""

    source: Source
    looked: tuple[tuple[Run, ...], tuple[Run, ...]] = ((), ())

    def look(self) -> Picture:
        try:
            picture = self.source.look()
        except UserError as error:
            raise UserError(plain(str(error))) from None
        pairs = zip_longest(picture.runs, *self.looked)
        runs = tuple(
            known if run is came else _plain_in(run) for run, came, known in pairs if run is not None
        )
        self.looked = picture.runs, runs
        rest: Picture = _plain_in(dataclasses.replace(picture, runs=()))
        return dataclasses.replace(rest, runs=runs)

    def detail(self, run_id: str) -> Detail:
        return _plainly(lambda: self.source.detail(run_id))

    def log(self, run_id: str, offset: int | None) -> Piece:
        return _plainly(lambda: self.source.log(run_id, offset))

    def cancel(self, run_ids: Sequence[str]) -> str:
        return _plainly(lambda: self.source.cancel(run_ids))

    def retry(self, run_ids: Sequence[str]) -> str:
        return _plainly(lambda: self.source.retry(run_ids))


def _plainly(ask: Callable[[], T]) -> T:
    try:
        return cast(T, _plain_in(ask()))
    except UserError as error:
        raise UserError(plain(str(error))) from None


def _plain_in(value: Any) -> Any:
    """The same with all texts in it plain."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, tuple):
        parts = map(_plain_in, value)
        return value._make(parts) if hasattr(value, "_make") else tuple(parts)
    if isinstance(value, Mapping):
        return {plain(key): _plain_in(each) for key, each in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return dataclasses.replace(value, **{f.name: _plain_in(getattr(value, f.name)) for f in fields})
    return value
