"""The follow-up: a small job after the arrays that submits what comes next, until nothing is left."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.tables.collect import collect
from jobs.planning.prepare_submission import Submission, as_before
from jobs.planning.sweep_data import prepare_data
from jobs.planning.sweep_inputs import changed_in, refuse
from jobs.slurm.client import Slurm
from jobs.store.journal import read_journal
from jobs.store.pack_status import read_packs
from jobs.store.submit_lock import LockedError, submit_lock
from jobs.store.submitted_settings import Saved
from jobs.submission.hand_to_slurm import ToSlurm
from jobs.submission.handed_report import report
from jobs.submission.last_words import TOLD
from jobs.submission.messages import notify, notify_stopped, notify_waiting
from jobs.submission.submit_ready import NoRoomError, Turn, submit_ready
from jobs.support.terminal import Terminal
from jobs.worker.slurm_task import INTERRUPTED
from regularize.errors import UserError
from regularize.own_code import EVERYTHING, trust
from regularize.store import Store

# How long the follow-up waits for a controller that is away, in seconds, and of its time limit at most: it is
# to say so itself, as nobody would try again.
PATIENCE = 1200.0
SHARE_OF_LIMIT = 2 / 3


@dataclass(frozen=True)
class FollowUp:
    """Give it to submitit; `folder` is the store's. Where it finds no place to submit, it is requeued."""

    folder: Path

    def __call__(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # its script tells of that, submitit would ignore it
        # Submitted by this user, who may have grown the sweep since. What its jobs import is named to them.
        trust([EVERYTHING])
        try:
            whole = go_on(self.folder)
        except Exception as error:  # nobody else would say that the sweep stands still
            told = notify_stopped(Store(self.folder), error, print)
            if isinstance(error, UserError):
                print(f"error: {error}", file=sys.stderr)
            else:
                traceback.print_exc()
            sys.exit(TOLD if told else 1)  # of which its script tells
        if not whole:
            sys.exit(INTERRUPTED)


def way_to_slurm(store: Store, saved: Saved, slurm: Slurm, own_code: Sequence[str] | None = None) -> ToSlurm:
    """The way of a store's requests to Slurm, with this follow-up."""
    return ToSlurm(store, saved, slurm, FollowUp(store.folder), own_code)


def go_on(folder: Path) -> bool:
    """What the follow-up does: the next turn of a store; False if it has to try again later.

    Raises:
        UserError: something is missing or refused; nothing has been submitted.
    """
    store, console = Store(folder), Terminal(soft_wrap=True)
    submission = as_before(store, console)
    facts = prepare_data(submission.sweep, submission.data_root, submission.say)
    refuse(changed_in(submission.sweep, store, read_packs(store), submission.data_root, facts))
    try:
        with submit_lock(store.lock):
            slurm = Slurm(say=console.print, patience=patience(store))
            way = way_to_slurm(store, submission.saved, slurm, submission.own_code)
            turn = submit_ready(submission, facts, way)
    except (LockedError, NoRoomError) as error:
        console.print(f"{error}; trying again later")
        if isinstance(error, NoRoomError):
            notify_waiting(submission, error, console.print)
        return False
    report(submission, turn)
    conclude(submission, turn)
    return turn.followed or not turn.at_work


def conclude(submission: Submission, turn: Turn) -> None:
    """What follows on a turn that nobody looks at: the tables once nothing is at work, and a message."""
    if not turn.at_work:
        collect(submission.store)
    notify(submission, turn, submission.console.print)


def patience(store: Store) -> float:
    """Seconds that this job may wait for the controller, as it was asked for."""
    job_id = os.environ.get("SLURM_JOB_ID")
    minutes = next(
        (h.minutes for h in read_journal(store.journal).handed if job_id and h.job_id == job_id), None
    )
    return min(PATIENCE, SHARE_OF_LIMIT * 60 * minutes) if minutes else PATIENCE
