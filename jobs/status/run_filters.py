"""`--regularizer --dataset --state --run`: which of a sweep's runs are meant."""

from __future__ import annotations

from argparse import Namespace
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from jobs.status.run_states import RUN_STATES
from jobs.store.planned_runs import Row
from regularize.errors import UserError, one_of


@dataclass(frozen=True, kw_only=True)
class Filter:
    """A run matches if it matches one value of each kind that is given; `runs` are beginnings of run ids."""

    regularizers: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()

    @cached_property
    def _beginnings(self) -> Mapping[int, set[str]]:
        """By their length: watch names tens of thousands of runs."""
        found: dict[int, set[str]] = defaultdict(set)
        for run in self.runs:
            found[len(run)].add(run)
        return found

    def matches(self, row: Row, state: str) -> bool:
        return (
            _named(row.regularizer, self.regularizers)
            and _named(row.dataset, self.datasets)
            and (not self.states or state in self.states)
            and (not self.runs or any(row.run_id[:n] in some for n, some in self._beginnings.items()))
        )


EVERYTHING = Filter()


def matching(rows: Iterable[Row], wanted: Filter, states: Mapping[str, str]) -> list[Row]:
    """The wanted rows, given the states of all runs that were begun or handed over."""
    return [row for row in rows if wanted.matches(row, states.get(row.run_id, "planned"))]


def filter_of(args: Namespace, rows: Sequence[Row]) -> Filter:
    """The filter of a command's options.

    Raises:
        UserError: a value that no run of the sweep has.
    """
    _check("regularizer", args.regularizer, {_plain(row.regularizer) for row in rows})
    _check("dataset", args.dataset, {_plain(row.dataset) for row in rows})
    _check("state", args.state, RUN_STATES)
    ids = sorted(row.run_id for row in rows)
    for run in args.run:
        if not "".join(ids[(place := bisect_left(ids, run)) : place + 1]).startswith(run):
            raise UserError(f"--run {run}: no run of the sweep has an id that begins so")
    return Filter(
        regularizers=tuple(args.regularizer),
        datasets=tuple(args.dataset),
        states=tuple(args.state),
        runs=tuple(args.run),
    )


def _check(option: str, values: Iterable[str], known: Iterable[str]) -> None:
    choices = set(known)
    for value in values:
        if _plain(value) not in choices:
            raise UserError(f"--{option} {value}: the sweep has {one_of(value, choices)}")


def _named(label: str, names: Sequence[str]) -> bool:
    """`mnist` means all sizes of mnist, `mnist (3 per class)` that one."""
    return not names or label in names or _plain(label) in names


def _plain(label: str) -> str:
    return label.partition(" (")[0]
