"""A sweep by jobs of Slurm: what can be trained is handed over, and a follow-up that goes on after it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from analysis.collect import collect
from jobs import saved
from jobs.journal import append
from jobs.lock import LockedError, submit_lock
from jobs.prepare import Submission, closing, prepare_data
from jobs.slurm.commands import Slurm
from jobs.turn import NoRoomError, Turn, take_turn
from jobs.views import headline, left_out_line
from jobs.words import plural
from regularize.store import Store

# How long the follow-up waits for a controller that is away: nobody would try again.
PATIENCE = 1200.0


def submit_by_hand(submission: Submission, *, everything: bool = True) -> bool:
    """Hand over all that can be trained, and the follow-up; True unless runs are left out.

    `everything` is whether runs that were cancelled are wanted again.

    Raises:
        UserError: something is missing or refused, or another submission is at work; nothing has been
            submitted.
    """
    store, console = submission.store, submission.console
    facts = prepare_data(submission.sweep, submission.data_root)
    with submit_lock(store.lock):
        saved.save(store, submission.sweep, submission.saved)
        if everything:
            append(store.journal, "asked")
        turn = take_turn(submission, facts, Slurm(say=console.print))
    _report(submission, turn)
    return not turn.left_out


def go_on(folder: Path) -> bool:
    """What the follow-up does: the next turn of a store; False if it has to try again later.

    Raises:
        UserError: as `submit_by_hand`.
    """
    store, console = Store(folder), Console(highlight=False, soft_wrap=True)
    known = saved.load(store)
    submission = Submission(
        sweep=saved.load_saved_sweep(store),
        store=store,
        cluster=known.cluster,
        data_root=known.data_root,
        overrides=(),
        console=console,
    )
    facts = prepare_data(submission.sweep, submission.data_root)
    try:
        with submit_lock(store.lock):
            turn = take_turn(submission, facts, Slurm(say=console.print, patience=PATIENCE))
    except (LockedError, NoRoomError) as error:
        console.print(f"{error}; trying again later")
        return False
    _report(submission, turn)
    if not turn.at_work:
        collect(store)
    return turn.followed or not turn.at_work


def _report(submission: Submission, turn: Turn) -> None:
    console, plan = submission.console, turn.plan
    if turn.jobs:
        console.print(headline(plan), highlight=False, soft_wrap=True)
        console.print(f"in Slurm's queue: {_ids(turn.jobs)}", highlight=False, soft_wrap=True)
    if plan.in_hand:
        console.print(f"{plural(plan.in_hand, 'run')} queued or running before", highlight=False)
    if turn.waiting:
        most = plural(submission.cluster.max_jobs or 0, "job")
        console.print(
            f"{plural(turn.waiting, 'run')} to do once fewer than {most} are queued", highlight=False
        )
    for reason, runs in turn.left_out.items():
        console.print(left_out_line(reason, runs), style="red", markup=False, soft_wrap=True)
    if turn.followed:
        console.print("what comes next is submitted by itself; see `regularize status`", highlight=False)
    elif turn.at_work:
        console.print(
            "Slurm leaves no place for a job that goes on by itself: submit again later", style="yellow"
        )
    elif not turn.left_out:
        print(closing(plan, bool(turn.jobs), submission.store))


def _ids(jobs: Sequence[str]) -> str:
    return f"{'job' if len(jobs) == 1 else 'jobs'} {', '.join(jobs)}"
