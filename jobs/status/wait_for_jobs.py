"""`submit --wait`: what a sweep's jobs do on Slurm, until none of them is queued any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from jobs.planning.prepare_submission import Submission
from jobs.status.overview import Overview, read_overview
from jobs.status.progress import display, summary
from jobs.submission.continuation import left_out_line
from jobs.support.hangup import interrupted_by_hangup

REFRESH_SECONDS = 30.0

End = Callable[[Submission, int, int, Mapping[str, int]], None]


def wait(submission: Submission, again: Callable[[Submission], bool], end: End) -> bool:
    """Wait until nothing goes on; whether all runs are done then.

    Where nothing goes on by itself although something is left, `again` may hand it over, and says whether
    it has. `end` is called where nothing is left but what waits for a person: with how many runs are done,
    of how many, and those left out by their reasons.

    Raises:
        KeyboardInterrupt: it was to end, or nobody is there any more; the jobs go on.
    """
    console = submission.console
    try:
        with interrupted_by_hangup():
            found = _last(submission)
            while found.halted and again(submission):
                found = _last(submission)
            done, runs = _done(found), found.runs.total()
            if not found.halted and done + sum(found.left_out.values()) >= runs:
                end(submission, done, runs, found.left_out)
    except KeyboardInterrupt:
        console.print("the jobs go on; `regularize cancel` ends them", highlight=False)
        raise
    console.print(summary(found), highlight=False)
    for reason, runs in found.left_out.items():
        console.print(left_out_line(reason, runs), style="red", markup=False, soft_wrap=True)
    if found.halted:
        console.print(found.halted, style="yellow", markup=False, soft_wrap=True)
    return _finished(found)


def _last(submission: Submission) -> Overview:
    """What there is to see when nothing goes on any more; on the way, how far it has come."""
    with display(submission.console) as update:
        while True:
            found = read_overview(submission.store, say=submission.console.print)
            update(found, None)
            if found.answered and not (found.queue or found.follow_up):
                return found
            time.sleep(REFRESH_SECONDS)


def _finished(found: Overview) -> bool:
    return _done(found) == found.runs.total() and not found.halted and not found.to_measure


def _done(found: Overview) -> int:
    return found.runs["done"] + found.runs["diverged"]
