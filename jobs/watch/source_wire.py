"""A source on another machine: the questions are words of a command there, the answers JSON on its output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

from jobs.watch.picture import Picture
from jobs.watch.run_blocks import Seen, changed, changes
from jobs.watch.run_detail import Detail, Piece
from jobs.watch.watch_source import Source
from regularize.errors import UserError
from regularize.typed import checked

T = TypeVar("T")
Ask = Callable[[Sequence[str]], str]
"""Runs `regularize` with these words on the other machine and returns its output; raises `UserError`."""


def answer(source: Source, question: Sequence[str]) -> str:
    """The answer to `look [KNOWN]`, `detail RUN` or `log RUN [OFFSET]`; KNOWN is `Seen.digests`."""
    match list(question):
        case ["look"]:
            return source.look().to_json()
        case ["look", known]:
            return changes(source.look(), known)
        case ["detail", run_id]:
            return source.detail(run_id).to_json()
        case ["log", run_id]:
            return source.log(run_id, None).to_json()
        case ["log", run_id, offset] if offset.isdigit():
            return source.log(run_id, int(offset)).to_json()
    raise UserError(f"--answer {' '.join(question)}: not a question that this version knows")


@dataclass
class AskingSource:
    """Asks by `ask` for the sweep `target` of the other machine, which the header calls `place`.

    What was `seen` last need not travel again.
    """

    ask: Ask
    target: str
    place: str
    seen: Seen = field(default_factory=Seen)

    def look(self) -> Picture:
        # Of this machine's clock, from before the question: the other's may differ.
        began, seen = datetime.now(UTC), self.seen
        picture, self.seen = changed(self._answer("look", seen.digests), seen)
        return replace(picture, time=began, place=self.place)

    def detail(self, run_id: str) -> Detail:
        return _read(Detail.from_json, self._answer("detail", run_id))

    def log(self, run_id: str, offset: int | None) -> Piece:
        place = () if offset is None else (str(offset),)
        return _read(Piece.from_json, self._answer("log", run_id, *place))

    def cancel(self, run_ids: Sequence[str]) -> str:
        return self._act("cancel", run_ids)

    def retry(self, run_ids: Sequence[str]) -> str:
        return self._act("retry", run_ids)

    def _answer(self, *question: str) -> str:
        return self.ask(["watch", self.target, "--answer", *question])

    def _act(self, verb: str, run_ids: Sequence[str]) -> str:
        chosen = [word for run_id in run_ids for word in ("--run", run_id)]
        return "\n".join(self.ask([verb, self.target, *chosen]).strip().splitlines()[-3:])


def _read(read: Callable[[str], T], text: str) -> T:
    """An answer that is what it has to be, whoever gave it."""
    try:
        return checked(read(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"the answer cannot be read: {type(error).__name__}: {error}") from None
