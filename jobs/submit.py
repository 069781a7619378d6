"""A sweep → a finished store: plan, train, choose strengths, train on, until nothing is left."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from analysis.collect import collect
from analysis.select import select
from jobs import provenance
from jobs.cluster import Cluster
from jobs.grid import Cell, report_runs, tune_runs
from jobs.launch import launch
from jobs.lock import submit_lock
from jobs.packing import Pack
from jobs.packs import Packs, read_packs
from jobs.plan import Plan, make_plan, tuned, wanted_runs
from jobs.progress import Update, display, seconds_left, summary
from jobs.runs_file import write_runs
from jobs.status import Overview, Row, overview, processes_here, read_rows
from jobs.sweep import Sweep
from jobs.views import headline
from jobs.words import plural
from regularize.data import Facts, prepared
from regularize.errors import UserError
from regularize.models import check_fit
from regularize.store import PackStatus, Store, write_text

ORPHAN_SECONDS = 60.0
REFRESH_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What is submitted, where to, and where to say what happens."""

    sweep: Sweep
    store: Store
    cluster: Cluster
    data_root: Path | None
    overrides: Sequence[str]
    console: Console


def submit(submission: Submission) -> bool:
    """Train whatever the sweep wants and the store does not have; True if nothing is left to do.

    Returns False, having said why, if packs failed or tasks died.

    Raises:
        UserError: data that is missing, or another submission at work; nothing has been started.
        KeyboardInterrupt: the tasks have been told to checkpoint.
    """
    facts = prepare_data(submission.sweep, submission.data_root)
    store = submission.store
    with submit_lock(store.lock):
        _wait_for_orphans(store, submission.console)
        write_text(store.sweep, submission.sweep.text)
        began = False
        while (plan := _next_plan(submission, facts)).slices:
            if not began:
                provenance.record(store, submission.overrides)
                began = True
            submission.console.print(headline(plan), highlight=False, soft_wrap=True)
            if not _train(submission, plan):
                return False
    print(_closing(plan, began, store))
    return True


def prepare_data(sweep: Sweep, root: Path | None) -> dict[str, Facts]:
    """Find, check and decode the sweep's data sets, once for all tasks.

    Raises:
        UserError: one is missing or damaged, smaller than the sweep asks, or not for its models.
    """
    facts: dict[str, Facts] = {}
    for size in (size for grid in sweep.datasets for size in grid.sizes):
        found = facts[size.name] = prepared(size.name, root).facts
        most = int(found.train * (1 - size.validation)) // found.classes
        if size.per_class is not None and size.per_class > most:
            raise UserError(
                f"per_class is {size.per_class}, but {size.name} has at most {most} examples of every "
                f"class left to train on"
            )
        shape = (found.channels, found.side, found.side) if found.side > 1 else (found.channels,)
        for model in sweep.models:
            check_fit(model, shape, found.classes)
    return facts


def _next_plan(submission: Submission, facts: Mapping[str, Facts]) -> Plan:
    """The plan for what can be trained now; strengths are chosen as soon as they can be."""
    sweep, store = submission.sweep, submission.store
    packs = read_packs(store)
    for problem in packs.broken.values():
        submission.console.print(f"warning: {problem}", style="yellow", markup=False, soft_wrap=True)
    tune = tune_runs(sweep)
    write_runs(store, tune or report_runs(sweep), complete=not sweep.two_phase)
    if sweep.two_phase and tuned(tune, packs):
        collect(store, ("results",))  # which sets damaged files aside: their packs are not done
        packs = read_packs(store)
    chosen = _choose(sweep, store) if sweep.two_phase and tuned(tune, packs) else None
    wanted, ahead = wanted_runs(sweep, packs, chosen)
    if chosen is not None:
        write_runs(store, wanted, complete=True)
    return make_plan(wanted, ahead, packs, submission.cluster, facts)


def _choose(sweep: Sweep, store: Store) -> dict[Cell, str]:
    return {Cell(*cell): strength for cell, strength in select(store, sweep.metric).items()}


def _train(submission: Submission, plan: Plan) -> bool:
    """Run the plan's tasks to their end; False, having said why, if not all packs are done."""
    store, console = submission.store, submission.console
    phases = {run.phase for run in plan.runs if run.run_id not in plan.done}
    rows = [row for row in read_rows(store) if row.phase in phases]
    with display(console) as update:
        watch = _Watch(store, rows, plan, update)
        try:
            logs = launch(store, plan.slices, submission.cluster, submission.data_root, watch.tick)
        except KeyboardInterrupt:
            console.print(f"interrupted: {summary(watch.look())}", highlight=False, soft_wrap=True)
            raise
        watch.look()
    lost = _lost(plan.slices, watch.packs)
    for number, runs in lost.items():
        message = f"task {number} ended with {plural(runs, 'run')} unfinished; its log is {logs[number]}"
        console.print(message, style="red", markup=False, soft_wrap=True)
    return all(watch.state(pack) == "done" for pack in plan.packs)


class _Watch:
    """Looks at the store every now and then while tasks train; earlier failures are not shown again."""

    def __init__(self, store: Store, rows: Sequence[Row], plan: Plan, update: Update) -> None:
        self.packs = self._before = read_packs(store)
        self._store, self._rows, self._plan, self._update = store, rows, plan, update
        self._began, self._next = time.monotonic(), 0.0

    def tick(self) -> None:
        if time.monotonic() >= self._next:
            self.look()
            self._next = time.monotonic() + REFRESH_SECONDS

    def look(self) -> Overview:
        read = read_packs(self._store, self.packs)
        statuses = {i: s for i, s in read.statuses.items() if s.state != "failed" or self._is_new(i, s)}
        self.packs = Packs(statuses, read.broken)
        found = overview(self._rows, self.packs, self._store)
        self._update(found, seconds_left(self._plan.slices, self.packs, time.monotonic() - self._began))
        return found

    def _is_new(self, pack_id: str, status: PackStatus) -> bool:
        return status != self._before.statuses.get(pack_id)

    def state(self, pack: Pack) -> str:
        status = self.packs.statuses.get(pack.pack_id)
        return status.state if status else "planned"


def _lost(slices: Sequence[Sequence[Pack]], packs: Packs) -> dict[int, int]:
    """How many runs each ended task left unfinished, by its number, without those that failed."""
    ended = {pack_id for pack_id, status in packs.statuses.items() if status.state in ("done", "failed")}
    left = {
        number: sum(len(pack.runs) for pack in slice_ if pack.pack_id not in ended)
        for number, slice_ in enumerate(slices)
    }
    return {number: runs for number, runs in left.items() if runs}


def _wait_for_orphans(store: Store, console: Console) -> None:
    """Give tasks that outlived their submission the time to write their checkpoints."""
    deadline = time.monotonic() + ORPHAN_SECONDS
    while pids := processes_here(read_packs(store), datetime.now(UTC)):
        if time.monotonic() > deadline:
            raise UserError(f"packs of this sweep are still being trained, by process {min(pids)}")
        console.print("waiting for tasks of an earlier submission to end", highlight=False)
        time.sleep(1.0)


def _closing(plan: Plan, began: bool, store: Store) -> str:
    diverged = sum(plan.done.values())
    runs = plural(len(plan.runs), "run") + (f" ({diverged} diverged)" if diverged else "")
    return f"done: {runs} in {store.folder}" if began else f"nothing to do: {runs} done in {store.folder}"
