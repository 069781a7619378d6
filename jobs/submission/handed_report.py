"""What a look at a sweep on Slurm has led to, on the screen."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.planning.plan_headline import headline
from jobs.planning.prepare_submission import Submission, closing
from jobs.submission.continuation import left_out_line
from jobs.submission.submit_ready import Turn
from jobs.support.readable_numbers import plural


def report(submission: Submission, turn: Turn) -> None:
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
    for line in turn.silence:
        console.print(line, style="yellow", markup=False, soft_wrap=True)
    for reason, runs in turn.left_out.items():
        console.print(left_out_line(reason, runs), style="red", markup=False, soft_wrap=True)
    if turn.followed:
        console.print("what comes next is submitted by itself; see `regularize status`", highlight=False)
    elif turn.at_work:
        why = turn.unfollowed or "Slurm leaves no place for a job that goes on by itself"
        told = f"{why}: what comes next needs `regularize submit` again, or `--wait`, which does so"
        if submission.cluster.notify:
            told += "; `notify` is run by `--wait` alone"
        console.print(told, style="yellow", markup=False, soft_wrap=True)
    elif not turn.left_out:
        print(closing(plan, bool(turn.jobs), submission.store))


def _ids(jobs: Sequence[str]) -> str:
    return f"{'job' if len(jobs) == 1 else 'jobs'} {', '.join(jobs)}"
