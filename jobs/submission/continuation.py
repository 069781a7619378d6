"""Whether a sweep on Slurm goes on by itself; if not, which command continues it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from jobs.store.planned_runs import Row
from jobs.submission.job_outcomes import CANCELLED, ENDED, Sight
from jobs.support.readable_numbers import plural

CONTINUES = "`regularize submit` continues"
_DIED = ENDED - {"COMPLETED", CANCELLED}


def halted(
    rows: Sequence[Row], sight: Sight, done: Collection[str], left_out: Collection[str], logs: Path
) -> str:
    """Why nothing goes on although something is left to do, and what continues it; empty if that is not so.

    Args:
        rows: all planned runs. Without any of the last phase, strengths have not been chosen.
        done: runs of which nothing is left to do.
        left_out: runs that wait for a person, of which more is said elsewhere.
        logs: the folder of the jobs' logs.
    """
    if sight.live or not sight.journal.arrays:
        return ""
    if any(handed.unsure for handed in sight.journal.handed):
        return "a submission was cut short: `regularize submit` finds out what Slurm has of it, and continues"
    if died := _dead_follow_up(sight, logs):
        return f"nothing goes on by itself: {died}; {CONTINUES}"
    unfinished = {row.run_id for row in rows} - set(done)
    unchosen = not unfinished and not any(row.phase == "report" for row in rows)
    return f"nothing goes on by itself: {CONTINUES}" if unchosen or unfinished - set(left_out) else ""


def remedy(reason: str) -> str:
    """The command that hands runs over again that are left out for this reason."""
    return "submit" if reason == "cancelled" else "retry"


def _dead_follow_up(sight: Sight, logs: Path) -> str:
    """How the last follow-up ended, if something went wrong and nobody has submitted since."""
    last = next((handed for handed in reversed(sight.journal.handed) if not handed.elements), None)
    if last is None or last.abandoned or last.line < sight.journal.asked:
        return ""
    state = last.endings[0].state if last.endings else sight.gone.get((last.token, 0), "")
    if state not in _DIED:
        return ""
    return f"job {last.job_id}, which was to see to that, ended as {state} ({logs}/{last.job_id}_0_log.out)"


def left_out_line(reason: str, runs: int) -> str:
    """That runs are not handed over, and what hands them over."""
    return f"{plural(runs, 'run')} left out: {reason}; `regularize {remedy(reason)}` hands them over again"
