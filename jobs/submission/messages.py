"""What a person who is not looking is told by the follow-up: failures, once, and the end."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from jobs.planning.prepare_submission import Submission
from jobs.store.journal import append, read_journal
from jobs.submission.submit_ready import Turn
from jobs.support.readable_numbers import plural
from jobs.support.told import tell

FAILURE, END = "failure", "end"


def news(turn: Turn, sweep: str, told: frozenset[str]) -> tuple[str, str] | None:
    """What is worth a message after a turn, and its kind; each kind once until someone submits again."""
    left = ", ".join(f"{plural(runs, 'run')} left out: {reason}" for reason, runs in turn.left_out.items())
    if not turn.at_work and not turn.silence:
        done = f"{len(turn.plan.done):,} of {plural(len(turn.plan.runs), 'run')} done"
        text = ", ".join(filter(None, [f"{sweep} is over: {done}", left]))
        return None if END in told else (END, text)
    return (FAILURE, f"{sweep}: {left}") if left and FAILURE not in told else None


def notify(submission: Submission, turn: Turn, say: Callable[[str], None]) -> None:
    """Run the cluster config's command if there is news; that it failed is said in the log, no more."""
    words, journal = submission.cluster.notify, submission.store.journal
    if not words or not (found := news(turn, submission.sweep.name, read_journal(journal).told)):
        return
    kind, text = found
    try:
        tell(words, text)
    except (OSError, subprocess.SubprocessError) as error:
        say(f"warning: notify: {error}")
    append(journal, "told", kind=kind)
