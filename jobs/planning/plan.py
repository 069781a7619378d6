"""What a submission would do: which runs are wanted, which are done, packs, slices, time, disk."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs.cluster.cluster_config import Cluster
from jobs.planning.cost import UNKNOWN, Clock, Run, calibrated, disk, measuring
from jobs.planning.job_arrays import worth_tasks
from jobs.planning.measured_again import Again, measured_again
from jobs.planning.pack_sizes import Sizes
from jobs.planning.pack_sizes import sizes as sizes_of
from jobs.planning.packing import Pack, longest, make_packs, make_slices, total_seconds
from jobs.store.pack_status import Packs
from jobs.store.planned_runs import dataset_label
from jobs.sweep.run_grid import PlannedRun
from regularize.config import check_fit
from regularize.data.source import Facts
from regularize.store import PackStatus

START_SECONDS = 5.0  # of a task, before it trains

IN_HAND = "queued or running"
STATES = ("done", "to do", "in hand", "left out", "ahead")

Counts = Mapping[tuple[str, str], Counter[str]]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The runs wanted now, and how those that are not done would be trained.

    `ahead` are runs that follow when this is done and strengths are chosen, each cell's at some
    strength of its own. `without` are wanted runs that are not planned for, each with the reason. `again`
    is what of those done is measured again. Seconds are estimates, until the last task has ended.
    """

    runs: Sequence[Run]
    done: Mapping[str, bool]  # wanted runs that are finished: whether they diverged
    without: Mapping[str, str]
    again: Again
    slices: Sequence[Sequence[Pack]]
    seconds: float
    ahead: Sequence[Run]
    ahead_seconds: float
    measuring: float  # the share of the time that is not training, `ahead` included
    bytes: int  # that the results of what is to do will take, `ahead` included
    ranks: int = 1  # that train a pack together, as a task of `slices`
    sizes: Sizes = field(default_factory=Sizes)

    @property
    def packs(self) -> list[Pack]:
        return [pack for slice_ in self.slices for pack in slice_]

    @property
    def to_do(self) -> int:
        """Runs."""
        return len(self.runs) - len(self.done) - len(self.without)

    @property
    def in_hand(self) -> int:
        """Runs that are queued or running."""
        return sum(reason == IN_HAND for reason in self.held.values())

    @property
    def held(self) -> dict[str, str]:
        """Runs that are neither trained nor measured now although there is something to do, and why."""
        return {**self.without, **self.again.without}

    def cells(self) -> Counts:
        """Runs by state, for every (regularizer, dataset), in the sweep's order."""
        cells: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        several = len({run.model for run in self.runs}) > 1
        for run in self.runs:
            cells[_labels(run, several)][self._state(run.run_id)] += 1
        for run in self.ahead:
            cells[_labels(run, several)]["ahead"] += 1
        return cells

    def _state(self, run_id: str) -> str:
        if run_id in self.done:
            return "done"
        return (
            "in hand"
            if self.without.get(run_id) == IN_HAND
            else "left out"
            if run_id in self.without
            else "to do"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "runs": len(self.runs),
            "done": len(self.done),
            "diverged": sum(self.done.values()),
            "to_do": self.to_do,
            "in_hand": self.in_hand,
            "left_out": len(self.held) - self.in_hand,
            "to_measure": len(self.again.runs),
            "curves_stay": len(self.again.stays),
            "ahead": len(self.ahead),
            "packs": len(self.packs),
            "packs_resumed": sum(pack.share > 0 for pack in self.packs),
            "tasks": len(self.slices),
            "ranks": self.ranks,
            "largest_pack": max((len(pack.runs) for pack in self.packs), default=0),
            "side_by_side": list(self.sizes.said),
            "seconds": round(self.seconds),
            "seconds_ahead": round(self.ahead_seconds),
            "seconds_measuring": round(self.again.seconds),
            "measuring": round(self.measuring, 3),
            "bytes": self.bytes,
            "cells": [
                {"regularizer": regularizer, "dataset": dataset}
                | {
                    state.replace(" ", "_"): counts[state]
                    for state in ("done", "to do", "in hand", "left out", "ahead")
                }
                for (regularizer, dataset), counts in self.cells().items()
            ],
        }


def make_plan(
    wanted: Iterable[PlannedRun],
    ahead: Iterable[PlannedRun],
    packs: Packs,
    cluster: Cluster,
    facts: Mapping[str, Facts],
    without: Mapping[str, str] | None = None,
    together: Collection[str] = (),
) -> Plan:
    """The plan for the runs `wanted` now and `ahead`, given what the store holds. Pure.

    Runs `without` are not planned for: they are in hand already, or left out for another reason. `together`
    are modules of one's own whose runs train side by side.

    Raises:
        UserError: examples, a model and a technique do not go together.
    """
    runs, later = ([_run(planned, together) for planned in each] for each in (wanted, ahead))
    _check_fits(runs, facts)
    finished = packs.done()
    done = {run.run_id: finished[run.run_id] for run in runs if run.run_id in finished}
    left = {
        run.run_id: without[run.run_id]
        for run in runs
        if without and run.run_id in without and run.run_id not in done
    }
    to_do = [run for run in runs if run.run_id not in done and run.run_id not in left]
    clock = calibrated(
        facts, {run.run_id: run for run in runs}, packs.statuses.values(), cluster.ranks_together
    )
    again = measured_again(runs, packs, clock, without)
    sizes = sizes_of([*to_do, *later], cluster, facts)
    slices = _slices(to_do, packs.statuses.values(), clock, cluster, sizes, again)
    slices_ahead = _slices(later, (), clock, cluster, sizes)
    return Plan(
        runs=runs,
        done=done,
        without=left,
        again=again,
        slices=slices,
        seconds=_until_end(slices),
        ahead=later,
        ahead_seconds=_until_end(slices_ahead),
        measuring=measuring(to_do + later, facts),
        ranks=cluster.ranks_together,
        sizes=sizes,
        bytes=sum(disk(run.config, facts.get(run.config.data.name, UNKNOWN)) for run in to_do + later),
    )


def _check_fits(runs: Sequence[Run], facts: Mapping[str, Facts]) -> None:
    entries = {(run.config.data.name, run.config.model, run.config.regularizer): run.config for run in runs}
    for (dataset, model, _), config in entries.items():
        if dataset in facts:
            check_fit(model, config.terms, facts[dataset].shape, facts[dataset].classes)


def _slices(
    runs: Sequence[Run],
    statuses: Collection[PackStatus],
    clock: Clock,
    cluster: Cluster,
    sizes: Sizes,
    again: Again | None = None,
) -> list[list[Pack]]:
    tasks, beside = cluster.slots, again.packs if again else ()
    if cluster.kind == "slurm":
        seconds = total_seconds(runs, clock, sizes.otherwise, sizes.by_key)
        tasks = worth_tasks(seconds + (again.seconds if again else 0.0), cluster)
    packs = make_packs(
        runs, statuses, clock, limit=sizes.otherwise, limits=sizes.by_key, tasks=tasks, beside=beside
    )
    return make_slices(packs, tasks)


def _until_end(slices: Sequence[Sequence[Pack]]) -> float:
    return START_SECONDS + longest(slices) if slices else 0.0


def _run(planned: PlannedRun, together: Collection[str]) -> Run:
    config = planned.config
    key = config.shared_key if config.model in together else config.pack_key
    return Run(config.run_id, key, planned.phase, config, planned.model)


def _labels(run: Run, several_models: bool) -> tuple[str, str]:
    config = run.config
    regularizer = f"{config.regularizer} ({run.model})" if several_models else config.regularizer
    return regularizer, dataset_label(config.data.name, config.data.per_class)
