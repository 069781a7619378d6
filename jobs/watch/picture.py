"""All that is shown of a sweep at one moment; it travels as JSON, so that one round trip brings it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from analysis.notation.methods import METHODS
from jobs.status.overview import Queue
from regularize.whole_files import parsed

GOING_ON = ("planned", "queued", "running", "interrupted", "unknown")
"""States in which something may still come of a run by itself."""
ALL = "all"
"""The margin of the heat map: all regularizers, or all data sets."""


class Run(NamedTuple):
    """A run as it stands. `note` is why it waits, where it runs, or the last line of its error."""

    run_id: str
    phase: str  # tune | report
    dataset: str
    regularizer: str
    strength: str
    seed: int
    state: str  # one of `jobs.watch.state_looks.STATES`
    share: float  # of its steps that is done, in [0, 1]
    job: str  # `13_4` on Slurm, else empty
    note: str
    best: float | None = None  # of its validation accuracies so far, in [0, 1]
    last: float | None = None

    @property
    def text(self) -> str:
        """What a search looks at."""
        return " ".join(str(value) for value in self[:-2]).lower()

    @property
    def title(self) -> str:
        """What a person calls it."""
        known = METHODS.get(self.regularizer)
        sign = f"{known.symbol} = " if known and known.symbol and self.strength else ""
        words = [self.regularizer, f"{sign}{self.strength}", f"on {self.dataset}"]
        return f"{' '.join(word for word in words if word)}, seed {self.seed}, {self.state}"


@dataclass(frozen=True, kw_only=True)
class Pack:
    """Runs in training; `age` is the seconds since they last said so, `seconds_left` None while unknown."""

    pack_id: str
    runs: int
    epoch: int
    epochs: int
    share: float
    host: str
    job: str
    age: float
    seconds_left: float | None


@dataclass(frozen=True, kw_only=True)
class Failures:
    """Packs whose errors end in the same line `message`, and the traceback of one of them."""

    message: str
    runs: int
    packs: int
    path: str
    traceback: str

    @property
    def exception(self) -> str:
        return self.message.partition(":")[0]


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Some runs by state, and the mean share of their steps that is done."""

    counts: Counter[str]
    share: float
    best: float | None = None  # of the runs' best accuracies
    last: float | None = None  # the mean of their last ones

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Tally:
        share = sum(run.share for run in runs) / len(runs) if runs else 0.0
        best = max((run.best for run in runs if run.best is not None), default=None)
        last = [run.last for run in runs if run.last is not None]
        mean = sum(last) / len(last) if last else None
        return cls(counts=Counter(run.state for run in runs), share=share, best=best, last=mean)

    @classmethod
    def sum(cls, tallies: Sequence[Tally]) -> Tally:
        """Of the runs of all of them; scores of several problems have no mean that says anything."""
        if len(tallies) == 1:
            return tallies[0]
        counts: Counter[str] = sum((tally.counts for tally in tallies), Counter())
        total = counts.total()
        share = sum(tally.share * tally.counts.total() for tally in tallies) / total if total else 0.0
        return cls(counts=counts, share=share)

    @property
    def finished(self) -> int:
        return self.counts["done"] + self.counts["diverged"]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A sweep at one moment. `speed` is in runs an hour; it and `seconds_left` are None while unknown.

    `ahead` are report runs that follow once strengths are chosen; `follows` whether a job in Slurm's queue is
    still to submit or to collect.
    """

    sweep: str
    place: str
    time: datetime
    runs: tuple[Run, ...]
    active: tuple[Pack, ...] = ()
    queue: tuple[Queue, ...] = ()
    failures: tuple[Failures, ...] = ()
    warnings: tuple[str, ...] = ()
    speed: float | None = None
    seconds_left: float | None = None
    ahead: int = 0
    follows: bool = False

    @cached_property
    def total(self) -> Tally:
        return Tally.of(self.runs)

    @cached_property
    def regularizers(self) -> list[str]:
        """In the sweep's order, before them `ALL` if there are several."""
        return _with_margin(run.regularizer for run in self.runs)

    @cached_property
    def datasets(self) -> list[str]:
        """As `regularizers`."""
        return _with_margin(run.dataset for run in self.runs)

    @cached_property
    def cells(self) -> Mapping[tuple[str, str], Tally]:
        """By regularizer and data set, with the margins `ALL`."""
        alone: dict[tuple[str, str], list[Run]] = {}
        for run in self.runs:
            alone.setdefault((run.regularizer, run.dataset), []).append(run)
        found: dict[tuple[str, str], list[Tally]] = {}
        for (regularizer, dataset), tally in ((cell, Tally.of(runs)) for cell, runs in alone.items()):
            for cell in ((ALL, ALL), (ALL, dataset), (regularizer, ALL), (regularizer, dataset)):
                found.setdefault(cell, []).append(tally)
        return {cell: Tally.sum(tallies) for cell, tallies in found.items()}

    @property
    def over(self) -> bool:
        """Whether nothing is left that would go on."""
        going_on = self.ahead or self.follows or any(self.total.counts[state] for state in GOING_ON)
        return bool(self.runs) and not going_on

    @property
    def all(self) -> Tally:
        """With those ahead, as planned ones."""
        return Tally.sum([self.total, Tally(counts=Counter(planned=self.ahead), share=0.0)])

    @property
    def share(self) -> float:
        """Of all runs' steps, those ahead included, what is done."""
        return self.total.share * len(self.runs) / (len(self.runs) + self.ahead) if self.runs else 0.0

    @cached_property
    def phases(self) -> Mapping[str, Tally]:
        names = dict.fromkeys(run.phase for run in self.runs)
        return {name: Tally.of([run for run in self.runs if run.phase == name]) for name in names}

    def of_cell(self, regularizer: str, dataset: str) -> list[Run]:
        """The runs of a cell of the heat map; its margins are `ALL`."""
        return [
            run
            for run in self.runs
            if regularizer in (ALL, run.regularizer) and dataset in (ALL, run.dataset)
        ]

    def to_json(self) -> str:
        """One line; runs are lists of values, or their names would be most of it."""
        value = {
            field: getattr(self, field)
            for field in ("sweep", "place", "warnings", "speed", "seconds_left", "ahead", "follows")
        }
        value |= {"time": self.time.isoformat(), "runs": self.runs}
        value |= {name: [asdict(each) for each in getattr(self, name)] for name in _PARTS}
        return json.dumps(value, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Picture:
        value = parsed(text.encode())
        parts: dict[str, Any] = {
            name: tuple(kind(**each) for each in value[name]) for name, kind in _PARTS.items()
        }
        return cls(
            sweep=value["sweep"],
            place=value["place"],
            time=datetime.fromisoformat(value["time"]),
            runs=tuple(map(Run._make, value["runs"])),
            warnings=tuple(value["warnings"]),
            speed=value["speed"],
            seconds_left=value["seconds_left"],
            ahead=value["ahead"],
            follows=value.get("follows", False),
            **parts,
        )


_PARTS: dict[str, type[Any]] = {"active": Pack, "queue": Queue, "failures": Failures}


def _with_margin(names: Iterable[str]) -> list[str]:
    found = list(dict.fromkeys(names))
    return [ALL, *found] if len(found) > 1 else found
