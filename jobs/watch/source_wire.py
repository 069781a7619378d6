"""A source on another machine: the questions are words of a command there, the answers JSON on its output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from jobs.watch.picture import Picture
from jobs.watch.run_detail import Detail, Piece
from jobs.watch.watch_source import Source
from regularize.errors import UserError

Ask = Callable[[Sequence[str]], str]
"""Runs `regularize` with these words on the other machine and returns its output; raises `UserError`."""


def answer(source: Source, question: Sequence[str]) -> str:
    """The answer to `look`, `detail RUN` or `log RUN [OFFSET]`."""
    match list(question):
        case ["look"]:
            return source.look().to_json()
        case ["detail", run_id]:
            return source.detail(run_id).to_json()
        case ["log", run_id]:
            return source.log(run_id, None).to_json()
        case ["log", run_id, offset] if offset.isdigit():
            return source.log(run_id, int(offset)).to_json()
    raise UserError(f"--answer {' '.join(question)}: not a question that this version knows")


@dataclass(frozen=True)
class AskingSource:
    """Asks by `ask` for the sweep `target` of the other machine, which the header calls `place`."""

    ask: Ask
    target: str
    place: str

    def look(self) -> Picture:
        # Of this machine's clock, from before the question: the other's may differ.
        began = datetime.now(UTC)
        picture = Picture.from_json(self._answer("look"))
        return replace(picture, time=began, place=self.place)

    def detail(self, run_id: str) -> Detail:
        return Detail.from_json(self._answer("detail", run_id))

    def log(self, run_id: str, offset: int | None) -> Piece:
        return Piece.from_json(self._answer("log", run_id, *(() if offset is None else (str(offset),))))

    def cancel(self, run_ids: Sequence[str]) -> str:
        return self._act("cancel", run_ids)

    def retry(self, run_ids: Sequence[str]) -> str:
        return self._act("retry", run_ids)

    def _answer(self, *question: str) -> str:
        return self.ask(["watch", self.target, "--answer", *question])

    def _act(self, verb: str, run_ids: Sequence[str]) -> str:
        chosen = [word for run_id in run_ids for word in ("--run", run_id)]
        return "\n".join(self.ask([verb, self.target, *chosen]).strip().splitlines()[-3:])
