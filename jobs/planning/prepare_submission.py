"""What every way to run a sweep shares: what is submitted, strengths chosen, the plan for what is left."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rich.console import Console

from analysis.statistics.strength_selection import best, select
from analysis.tables.collect import collect
from jobs.cluster.cluster_config import Cluster
from jobs.planning.last_choice import last_choice
from jobs.planning.measured_again import NOT_ASKED
from jobs.planning.own_models import side_by_side
from jobs.planning.plan import Plan, make_plan
from jobs.planning.tuning import all_done, tuning, wanted_runs
from jobs.store import submitted_settings
from jobs.store.pack_status import Packs, failure, read_packs
from jobs.store.runs_table import write_runs
from jobs.store.submitted_settings import Saved
from jobs.support.readable_numbers import plural
from jobs.sweep.own_names import own_names
from jobs.sweep.run_grid import Cell, PlannedRun
from jobs.sweep.sweep_file import Sweep
from regularize.data import Facts
from regularize.store import Store, read_table


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What is submitted, where to, and where to say what happens."""

    sweep: Sweep
    store: Store
    cluster: Cluster
    data_root: Path | None
    overrides: Sequence[str]
    console: Console
    changed: Mapping[str, str] = field(default_factory=dict)  # what to do where code or data have changed

    def say(self, note: str) -> None:
        """Show what had better be known, on one line."""
        self.console.print(f"note: {note}", style="yellow", markup=False, soft_wrap=True)

    @property
    def own_code(self) -> list[str]:
        """What the sweep names of its author's code, as `module:name`."""
        return own_names(self.sweep.text)

    @property
    def saved(self) -> Saved:
        """What the store is to remember of it."""
        return Saved(cluster=self.cluster, data_root=self.data_root)


def as_before(store: Store, console: Console) -> Submission:
    """What was submitted to the store last, again.

    Raises:
        UserError: nothing was, or what the store remembers of it is damaged.
    """
    known = submitted_settings.load(store)
    return Submission(
        sweep=submitted_settings.load_saved_sweep(store),
        store=store,
        cluster=known.cluster,
        data_root=known.data_root,
        overrides=(),
        console=console,
    )


def warn(submission: Submission, packs: Packs) -> None:
    """Say which packs cannot be read, or lack files that they kept: their runs are trained again."""
    done = packs.done()
    lacking = [
        f"{submission.store.pack(pack_id).folder}: {failure(submission.store.pack(pack_id))}"
        for pack_id, status in packs.statuses.items()
        if status.state == "failed" and status.files and not done.keys() >= {*status.runs}
    ]
    for problem in (*packs.broken.values(), *lacking):
        text = f"warning: {problem}; its runs are trained again"
        submission.console.print(text, style="yellow", markup=False, soft_wrap=True)


def next_plan(
    submission: Submission,
    packs: Packs,
    facts: Mapping[str, Facts],
    without: Mapping[str, str] | None = None,
    only: Collection[str] | None = None,
) -> Plan:
    """The plan for what can be trained now; strengths are chosen as soon as they can be.

    Runs `without` are not planned for, see `make_plan`; nor, where `only` is given, are any but those.
    """
    sweep, store = submission.sweep, submission.store
    written: Sequence[PlannedRun] = ()
    if sweep.two_phase:
        packs, written = _tuned(sweep, store, packs, facts)
    wanted, ahead = wanted_runs(sweep, packs, partial(_choose, sweep, store), facts)
    if not ahead or wanted != written:
        write_runs(store, wanted, complete=not ahead)
    ids = (run.config.run_id for run in wanted)
    others = {} if only is None else {run_id: NOT_ASKED for run_id in ids if run_id not in only}
    left = {**others, **(without or {})}
    together = side_by_side(sweep, facts, submission.cluster)
    plan = make_plan(wanted, ahead, packs, submission.cluster, facts, left, together)
    if sweep.two_phase and not plan.slices:  # the tables were collected when only tune runs were planned
        collect(store, ("results",))
    return plan


def closing(plan: Plan, began: bool, store: Store) -> str:
    """What to say when nothing is left to do."""
    diverged = sum(plan.done.values())
    runs = plural(len(plan.done), "run") + (f" ({diverged} diverged)" if diverged else "")
    runs += f" of {len(plan.runs):,}" if plan.without else ""
    return f"done: {runs} in {store.folder}" if began else f"nothing to do: {runs} done in {store.folder}"


def _tuned(
    sweep: Sweep, store: Store, packs: Packs, facts: Mapping[str, Facts]
) -> tuple[Packs, Sequence[PlannedRun]]:
    """Write down which tune runs are wanted, and collect the results of those that strengths are chosen by.

    Grids that go on want more, of which results may be there: until nothing is added. Returns the packs that
    are left, as collecting sets damaged files aside, and then their packs are not done; and those runs.
    """
    runs = tuning(sweep, packs, last_choice(store, sweep), facts).runs
    while True:
        write_runs(store, runs, complete=False)
        if all_done(runs, packs):
            collect(store, ("results",))
            packs = read_packs(store)
        before, runs = runs, tuning(sweep, packs, partial(_choose, sweep, store), facts).runs
        if runs == before:
            return packs, runs


def _choose(sweep: Sweep, store: Store, ids: Collection[str]) -> dict[Cell, list[str]]:
    select(store, sweep.metric, ids, widen=sweep.widen, budget=sweep.budget)
    rows = read_table(store.table("selection")).to_pylist()
    return {Cell(*cell): strengths for cell, strengths in best(rows).items()}
