"""What a person who is not looking is told, each kind of news once: failures, the end, that it stands still,
that it waits for a place that others have.

By the follow-up, or by `submit --wait` where none does its work.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from jobs.planning.prepare_submission import Submission
from jobs.store import submitted_settings
from jobs.store.journal import append, read_journal
from jobs.submission.continuation import CONTINUES
from jobs.submission.submit_ready import Turn
from jobs.support.readable_numbers import plural
from jobs.support.told import tell
from regularize.errors import UserError
from regularize.store import Store

FAILURE, END, STOPPED, WAITING = "failure", "end", "stopped", "waiting"


def notify(submission: Submission, turn: Turn, say: Callable[[str], None]) -> None:
    """Tell of what a turn has led to, if that is worth a message."""
    plan = turn.plan
    if not turn.at_work and not turn.silence:
        notify_over(submission, len(plan.done), len(plan.runs), turn.left_out, say)
    elif turn.left_out:
        text = f"{submission.sweep.name}: {_left(turn.left_out)}"
        _tell_once(submission.store, submission.cluster.notify, FAILURE, text, say)


def notify_over(
    submission: Submission, done: int, runs: int, left_out: Mapping[str, int], say: Callable[[str], None]
) -> None:
    """Tell of the end; `left_out` is how many runs are not handed over, by the reason."""
    over = f"{submission.sweep.name} is over: {done:,} of {plural(runs, 'run')} done"
    text = ", ".join(filter(None, [over, _left(left_out)]))
    _tell_once(submission.store, submission.cluster.notify, END, text, say)


def notify_waiting(submission: Submission, why: Exception, say: Callable[[str], None]) -> None:
    """Tell that nothing more can be submitted now: whether others leave a place ever, one cannot know."""
    line = "; ".join(str(why).splitlines())
    text = f"{submission.sweep.name} waits: {line}; it is tried again by itself"
    _tell_once(submission.store, submission.cluster.notify, WAITING, text, say)


def notify_stopped(store: Store, why: Exception, say: Callable[[str], None]) -> bool:
    """Tell that nothing goes on by itself; False if somebody is still to be told.

    That is so where the command fails, or the store no longer says who is to be told.
    """
    with suppress(UserError):
        words = submitted_settings.load(store).cluster.notify
        reason = str(why) if isinstance(why, UserError) else f"{type(why).__name__}: {why}"
        line = "; ".join(reason.splitlines())
        text = f"{store.folder.name} is stopped: {line}; {CONTINUES}"
        return _tell_once(store, words, STOPPED, text, say)
    return False


def _left(left_out: Mapping[str, int]) -> str:
    return ", ".join(f"{plural(runs, 'run')} left out: {reason}" for reason, runs in left_out.items())


def _tell_once(store: Store, words: Sequence[str], kind: str, text: str, say: Callable[[str], None]) -> bool:
    """Run the cluster config's command unless somebody has heard of this kind of news since submitting; False
    if it failed, which is said in the log. Only that all stands still is then told again, by others.
    """
    if not words or kind in read_journal(store.journal).told:
        return True
    through = True
    try:
        tell(words, text)
    except (OSError, subprocess.SubprocessError) as error:
        say(f"warning: notify: {error}")
        through = False
    if through or kind != STOPPED:
        append(store.journal, "told", kind=kind)
    return through
