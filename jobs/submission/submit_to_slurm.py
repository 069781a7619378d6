"""A sweep by jobs of Slurm: what can be trained is handed over, and a follow-up that goes on after it."""

from __future__ import annotations

import time
from collections.abc import Mapping

from analysis.tables.collect import collect
from jobs.planning.open_questions import too_few_seeds
from jobs.planning.prepare_submission import Submission
from jobs.planning.sweep_data import prepare_data
from jobs.slurm.client import Slurm
from jobs.store import submitted_settings
from jobs.store.journal import append
from jobs.store.submit_lock import LockedError, submit_lock
from jobs.submission.follow_up_job import conclude, way_to_slurm
from jobs.submission.handed_report import report
from jobs.submission.messages import notify_over, notify_waiting
from jobs.submission.node_kernels import compile_for_nodes
from jobs.submission.submit_ready import NoRoomError, Turn, submit_ready

AGAIN_SECONDS = 120.0


def submit_by_hand(submission: Submission, *, everything: bool = True) -> bool:
    """Hand over all that can be trained, and the follow-up; True unless runs are left out.

    `everything` is whether runs that were cancelled are wanted again.

    Raises:
        UserError: something is missing or refused, or another submission is at work; nothing has been
            submitted.
    """
    compile_for_nodes(submission.sweep, submission.cluster, submission.say)
    turn = _turn(submission, everything=everything)
    if not turn.at_work:
        collect(submission.store)
    return not turn.left_out


def go_on_by_hand(submission: Submission) -> bool:
    """What a follow-up does, where none can; whether something was handed over, or there was no place for it.

    Then some time has passed, and it is to be tried again, as a follow-up does.
    """
    try:
        turn = _turn(submission, everything=False)
    except (LockedError, NoRoomError) as error:
        submission.console.print(
            f"{error}; trying again later", highlight=False, markup=False, soft_wrap=True
        )
        if isinstance(error, NoRoomError):
            notify_waiting(submission, error, submission.console.print)
        time.sleep(AGAIN_SECONDS)
        return True
    conclude(submission, turn)
    return bool(turn.jobs)


def end_by_hand(submission: Submission, done: int, runs: int, left_out: Mapping[str, int]) -> None:
    """What a follow-up does at the end, where none has: `done` of the `runs`, `left_out` by their reasons."""
    collect(submission.store)
    notify_over(submission, done, runs, left_out, submission.console.print)


def _turn(submission: Submission, *, everything: bool) -> Turn:
    store, console = submission.store, submission.console
    facts = prepare_data(submission.sweep, submission.data_root, submission.say)
    with submit_lock(store.lock):
        submitted_settings.save(store, submission.sweep, submission.saved)
        if everything:
            append(store.journal, "asked")
        slurm = Slurm(say=console.print)
        way = way_to_slurm(store, submission.saved, slurm, submission.own_code)
        turn = submit_ready(submission, facts, way)
    for note in too_few_seeds(submission.sweep) if turn.jobs else ():
        submission.say(note)
    report(submission, turn)
    return turn
