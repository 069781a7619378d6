"""What is shown of one run, and its log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

from regularize.whole_files import parsed


class Point(NamedTuple):
    """A row of the metrics: `accuracy` in [0, 1], `loss` in nats."""

    split: str
    epoch: float
    accuracy: float
    loss: float


class Attempt(NamedTuple):
    """One time that the run was handed over or begun, and what became of it."""

    job: str
    time: str
    outcome: str


@dataclass(frozen=True, kw_only=True)
class Detail:
    """`facts` are where and how it runs, `config` is what it trains; both as people read them."""

    run_id: str
    facts: Mapping[str, str]
    config: Mapping[str, str]
    points: tuple[Point, ...] = ()
    attempts: tuple[Attempt, ...] = ()

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Detail:
        value = parsed(text.encode())
        value["points"] = tuple(Point(*each) for each in value["points"])
        value["attempts"] = tuple(Attempt(*each) for each in value["attempts"])
        return cls(**value)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What a log says from some place on; `offset` is where the next piece begins, in bytes."""

    path: str
    text: str
    offset: int

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Piece:
        return cls(**parsed(text.encode()))
