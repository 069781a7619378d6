"""`submit --wait`: what a sweep's jobs do on Slurm, until none of them is queued any more."""

from __future__ import annotations

import time

from jobs.prepare import Submission
from jobs.progress import display, summary
from jobs.status import Overview, read_overview

REFRESH_SECONDS = 30.0


def wait(submission: Submission) -> bool:
    """Wait until nothing goes on; whether all runs are done then. Ctrl-C ends the waiting, not the jobs."""
    with display(submission.console) as update:
        found = read_overview(submission.store, say=submission.console.print)
        while found.queue or found.follow_up or found.notes:
            update(found, None)
            time.sleep(REFRESH_SECONDS)
            found = read_overview(submission.store, say=submission.console.print)
    submission.console.print(summary(found), highlight=False)
    return _finished(found)


def _finished(found: Overview) -> bool:
    counts = found.runs
    return counts["done"] + counts["diverged"] == counts.total()
