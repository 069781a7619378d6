"""Runs that differ in their seeds alone, as one row each: pure functions over a picture's runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from jobs.watch.picture import ALL, Run, Tally
from jobs.watch.state_looks import STATES, leading


@dataclass(frozen=True)
class Group:
    """The seeds of one setting."""

    runs: tuple[Run, ...]

    @property
    def key(self) -> tuple[str, ...]:
        run = self.runs[0]
        return (run.regularizer, run.dataset, run.strength, run.phase)

    def of_cell(self, regularizer: str, dataset: str) -> bool:
        """Whether it is of this cell of the heat map, whose margins are `ALL`."""
        run = self.runs[0]
        return regularizer in (ALL, run.regularizer) and dataset in (ALL, run.dataset)

    @cached_property
    def tally(self) -> Tally:
        return Tally.of(self.runs)

    @cached_property
    def state(self) -> str:
        return leading(self.tally)

    @cached_property
    def jobs(self) -> str:
        return collapsed(run.job for run in self.runs if run.job)

    @cached_property
    def note(self) -> str:
        """That of the run that most wants to be seen."""
        return min(self.runs, key=lambda run: STATES.index(run.state)).note

    @property
    def telling(self) -> Run:
        """The run whose log tells most of them all."""
        return min(self.runs, key=lambda run: STATES.index(run.state))


def holding(groups: Iterable[Group], words: str) -> list[Group]:
    """The groups with those of their runs that every one of the words is found in, whatever its case."""
    wanted = words.lower().split()
    if not wanted:
        return list(groups)
    found = ((group, tuple(run for run in group.runs if _has(run, wanted))) for group in groups)
    return [Group(runs) if len(runs) < len(group.runs) else group for group, runs in found if runs]


def _has(run: Run, words: Sequence[str]) -> bool:
    text = run.text
    return all(word in text for word in words)


def grouped(runs: Iterable[Run], before: Iterable[Group] = ()) -> list[Group]:
    """In the order in which the settings first come; groups that are as they were `before` are the same."""
    found: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        found.setdefault((run.regularizer, run.dataset, run.strength, run.phase), []).append(run)
    known = {group.key: group for group in before}
    groups = [Group(tuple(alike)) for alike in found.values()]
    return [old if (old := known.get(group.key)) and old.runs == group.runs else group for group in groups]


Key = Callable[[Group], object]

ORDERS: dict[str, Key | None] = {
    "": None,  # that of the sweep
    "state": lambda group: STATES.index(group.state),
    "regularizer": lambda group: group.runs[0].regularizer,
    "dataset": lambda group: group.runs[0].dataset,
    "done": lambda group: -group.tally.share,
    "last": lambda group: -(group.tally.last or 0.0),
    "best": lambda group: -(group.tally.best or 0.0),
    "job": lambda group: (not group.jobs, _number(group.jobs)),
}
"""By the heading of the column."""


def in_order(groups: Sequence[Group], order: str) -> list[Group]:
    key = ORDERS[order]
    return sorted(groups, key=key) if key else list(groups)  # type: ignore[arg-type]


def collapsed(jobs: Iterable[str]) -> str:
    """Elements of arrays as Slurm prints them.

    >>> collapsed(["13_4", "13_5", "13_6", "13_9", "14"])
    '13_[4-6,9] 14'
    """
    elements: dict[str, set[int]] = {}
    for job in jobs:
        array, _, index = job.partition("_")
        elements.setdefault(array, set()).update({int(index.partition("_")[0])} if index else ())
    return " ".join(_array(array, sorted(found)) for array, found in elements.items())


def _array(array: str, indices: list[int]) -> str:
    if len(indices) < 2:
        return f"{array}_{indices[0]}" if indices else array
    spans = []
    for _, run in groupby(enumerate(indices), lambda pair: pair[1] - pair[0]):
        found = [index for _, index in run]
        spans.append(f"{found[0]}-{found[-1]}" if len(found) > 1 else str(found[0]))
    return f"{array}_[{','.join(spans)}]"


def _number(job: str) -> int:
    digits = job.partition("_")[0].partition(" ")[0]
    return int(digits) if digits.isdigit() else 0
