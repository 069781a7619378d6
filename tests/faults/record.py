"""What became of faults, one JSON line each, so that a long campaign may be interrupted and goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from regularize.store import git_commit


@dataclass
class Outcome:
    """Of one fault or flipped bit (`sort`), by its seed and number; `wrong`: what went wrong, if anything."""

    sort: str
    seed: int
    turn: int
    kind: str
    what: str = ""
    wrong: str = ""
    seconds: float = 0.0
    commit: str = ""

    @classmethod
    @contextmanager
    def of(cls, sort: str, seed: int, turn: int, kind: str) -> Iterator[Outcome]:
        """Takes the time, and what goes wrong inside."""
        found, began = cls(sort, seed, turn, kind, commit=git_commit()), time.monotonic()
        try:
            yield found
        except AssertionError as error:
            found.wrong = f"{sort} {turn} ({kind}): {error}"
        found.seconds = round(time.monotonic() - began, 2)


class Record:
    """All outcomes; of a fault that was tried again, the last. Campaigns of several seeds may share one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        found = (Outcome(**json.loads(line)) for line in lines)
        self._last = {(outcome.sort, outcome.seed, outcome.turn): outcome for outcome in found}

    def left(self, sort: str, seed: int, number: int) -> list[int]:
        """Of so many, those not made yet and those that went wrong."""
        done = {key for key, outcome in self._last.items() if not outcome.wrong}
        return [turn for turn in range(number) if (sort, seed, turn) not in done]

    def add(self, outcomes: Iterable[Outcome], number: int) -> None:
        """Keep each as soon as it is there."""
        for outcome in outcomes:
            self._last[outcome.sort, outcome.seed, outcome.turn] = outcome
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(asdict(outcome))}\n")
            said = "WRONG" if outcome.wrong else outcome.what
            print(f"{outcome.sort} {outcome.turn + 1} of {number}: {outcome.kind}: {said}", flush=True)

    def outcomes(self, sort: str) -> list[Outcome]:
        return [outcome for outcome in self._last.values() if outcome.sort == sort]
