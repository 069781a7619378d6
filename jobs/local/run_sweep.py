"""A sweep on this machine: its tasks are processes of this submission, watched until all is done."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from rich.console import Console

from jobs.local.gpus import for_workers
from jobs.local.size_trials import tried_more
from jobs.local.worker_processes import launch
from jobs.planning.open_questions import too_few_seeds
from jobs.planning.packing import Pack
from jobs.planning.plan import Plan
from jobs.planning.plan_headline import headline
from jobs.planning.prepare_submission import Submission, closing, next_plan, warn
from jobs.planning.sweep_data import prepare_data
from jobs.slurm.client import Slurm
from jobs.status.overview import Overview, overview
from jobs.status.progress import Update, display, seconds_left, summary
from jobs.status.run_filters import EVERYTHING, Filter, matching
from jobs.status.run_states import processes_here, run_states
from jobs.store import provenance, submitted_settings
from jobs.store.journal import append, read_journal, say_damaged
from jobs.store.pack_status import Packs, read_packs
from jobs.store.planned_runs import Row, read_rows
from jobs.store.stopped import still_stopped
from jobs.store.submit_lock import submit_lock
from jobs.submission.follow_up_job import way_to_slurm
from jobs.submission.reconcile import reconcile
from jobs.support.readable_numbers import plural
from regularize.data import Facts
from regularize.errors import UserError
from regularize.store import PackStatus, Store

ORPHAN_SECONDS = 60.0
REFRESH_SECONDS = 2.0
LOOK_SHARE = 20  # times as long as a look takes is waited for the next: workers need the cores


def run_here(submission: Submission, again: Filter | None = None) -> bool:
    """Train whatever the sweep wants and the store does not have; True if nothing is left to do.

    Returns False, having said why, if packs failed or tasks died. With `again`, only runs that match, of
    those planned by now; where it names none, all but the cancelled ones.

    Raises:
        UserError: data or GPUs that are missing, or another submission at work; nothing has been started.
        KeyboardInterrupt: the tasks have been told to checkpoint.
    """
    for_workers(submission.cluster, os.environ)  # which raises before anything is begun
    facts = prepare_data(submission.sweep, submission.data_root, submission.say)
    store = submission.store
    with submit_lock(store.lock):
        _check_queue(submission)
        _wait_for_orphans(store, submission.console)
        submitted_settings.save(store, submission.sweep, submission.saved)
        store.stopped.unlink(missing_ok=True)
        if read_journal(store.journal).deaths:
            append(store.journal, "began")
        began, only = False, _only(store, again)
        while (plan := _next_plan(submission, facts, only)).slices:
            if not began:
                provenance.record(store, submission.overrides)
                for note in too_few_seeds(submission.sweep):
                    submission.say(note)
                began = True
            submission.console.print(headline(plan), highlight=False, soft_wrap=True)
            if not _train(submission, plan):
                return False
    print(closing(plan, began, store))
    return True


def _only(store: Store, again: Filter | None) -> Collection[str] | None:
    """The runs to train, None: all; those cancelled before are wanted again if all are, or they are named."""
    if again is None:
        if read_journal(store.journal).cancelled:
            append(store.journal, "asked")
        return None
    if again == EVERYTHING:
        return None
    states, _ = run_states(read_packs(store), None, datetime.now(UTC))
    runs = [row.run_id for row in matching(read_rows(store), again, states)]
    append(store.journal, "retried", runs=runs)
    return set(runs)


def _next_plan(submission: Submission, facts: Mapping[str, Facts], only: Collection[str] | None) -> Plan:
    packs = read_packs(submission.store)
    warn(submission, packs)
    cancelled = dict.fromkeys(read_journal(submission.store.journal).cancelled, "cancelled")
    plan = next_plan(submission, packs, facts, cancelled, only)
    cluster, root = submission.cluster, submission.data_root
    if plan.slices and tried_more(plan, cluster, facts, root, submission.say):
        plan = next_plan(submission, packs, facts, cancelled, only)
    return plan


def _check_queue(submission: Submission) -> None:
    """Refuse to train beside jobs of Slurm, which would write the same files."""
    store, console = submission.store, submission.console
    say_damaged(store.journal)
    known = read_journal(store.journal)
    if not (known.open or known.strays):
        return
    way = way_to_slurm(store, submitted_settings.load(store), Slurm(say=console.print))
    sight, _ = reconcile(way)
    if jobs := [str(handed.job_id) for handed in sight.live_arrays()]:
        raise UserError(
            f"this sweep is in Slurm's queue as {', '.join(jobs)}; wait, or use `regularize cancel`"
        )


def _train(submission: Submission, plan: Plan) -> bool:
    """Run the plan's tasks to their end; False, having said why, if not all packs are done."""
    store, console = submission.store, submission.console
    rows = [row for row in read_rows(store) if row.run_id not in plan.without]
    with display(console) as update:
        watch = _Watch(store, rows, plan, update)
        try:
            launch(
                store,
                plan.slices,
                submission.cluster,
                submission.data_root,
                watch.tick,
                partial(_alarm, console),
            )
        except KeyboardInterrupt:
            console.print(f"interrupted: {summary(watch.look())}", highlight=False, soft_wrap=True)
            raise
        watch.look()
    lost, cancelled = _unfinished(plan.packs, watch.packs, read_journal(store.journal).cancelled)
    if cancelled:
        message = f"{plural(cancelled, 'run')} ended by `regularize cancel`; `regularize submit` goes on with"
        console.print(f"{message} {'them' if cancelled > 1 else 'it'}", style="yellow", soft_wrap=True)
    if lost and (why := still_stopped(store, submission.cluster.max_failures)):
        _alarm(console, f"{plural(lost, 'run')} not begun: {why.reason}")
    elif lost:
        _alarm(console, f"{plural(lost, 'run')} unfinished; the workers' logs are in {store.logs}")
    return all(pack.done(watch.packs.statuses.get(pack.pack_id)) for pack in plan.packs)


class _Watch:
    """Looks at the store every now and then while tasks train; earlier failures are not shown again."""

    def __init__(self, store: Store, rows: Sequence[Row], plan: Plan, update: Update) -> None:
        self.packs = self._before = read_packs(store)
        self._store, self._rows, self._plan, self._update = store, rows, plan, update
        self._changing = {pack.pack_id for pack in plan.packs if pack.measures}
        self._began, self._next = time.monotonic(), 0.0

    def tick(self) -> None:
        if time.monotonic() >= self._next:
            began = time.monotonic()
            self.look()
            ended = time.monotonic()
            self._next = ended + max(REFRESH_SECONDS, LOOK_SHARE * (ended - began))

    def look(self) -> Overview:
        read = read_packs(self._store, self.packs, self._changing)
        statuses = {i: s for i, s in read.statuses.items() if s.state != "failed" or self._is_new(i, s)}
        for pack_id in self._changing.intersection(statuses):
            if not self._is_new(pack_id, statuses[pack_id]):
                statuses[pack_id] = replace(statuses[pack_id], measuring_failed=False)
        self.packs = Packs(statuses, read.broken)
        plan, elapsed = self._plan, time.monotonic() - self._began
        found = overview(self._rows, self.packs, self._store, ahead=len(plan.ahead))
        self._update(found, seconds_left(plan.slices, self.packs, elapsed, plan.ahead_seconds))
        return found

    def _is_new(self, pack_id: str, status: PackStatus) -> bool:
        return status != self._before.statuses.get(pack_id)


def _unfinished(planned: Sequence[Pack], packs: Packs, cancelled: frozenset[str]) -> tuple[int, int]:
    """How many runs workers that died left, and how many ended with packs that were cancelled.

    Those that failed are in neither.
    """
    left = [pack for pack in planned if not pack.ended(packs.statuses.get(pack.pack_id))]
    ours = sum(len(pack.runs) for pack in left if not cancelled.isdisjoint(pack.runs))
    return sum(len(pack.runs) for pack in left) - ours, ours


def _alarm(console: Console, message: str) -> None:
    console.print(message, style="red", markup=False, soft_wrap=True)


def _wait_for_orphans(store: Store, console: Console) -> None:
    """Give tasks that outlived their submission the time to write their checkpoints."""
    deadline = time.monotonic() + ORPHAN_SECONDS
    while pids := processes_here(read_packs(store), datetime.now(UTC)):
        if time.monotonic() > deadline:
            raise UserError(f"packs of this sweep are still being trained, by process {min(pids)}")
        console.print("waiting for tasks of an earlier submission to end", highlight=False)
        time.sleep(1.0)
