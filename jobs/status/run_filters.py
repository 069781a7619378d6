"""`--regularizer --dataset --state --run`: which of a sweep's runs are meant."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

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

    def matches(self, row: Row, state: str) -> bool:
        return (
            _named(row.regularizer, self.regularizers)
            and _named(row.dataset, self.datasets)
            and (not self.states or state in self.states)
            and (not self.runs or row.run_id.startswith(self.runs))
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
    for run in args.run:
        if not any(row.run_id.startswith(run) for row in rows):
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
