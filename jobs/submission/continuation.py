"""Whether a sweep on Slurm goes on by itself; if not, which command continues it.

Pure, but for the last line of the log of a follow-up that has died.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from jobs.store.handed import Handed
from jobs.store.journal import Journal
from jobs.store.planned_runs import Row
from jobs.submission.job_outcomes import CANCELLED, ENDED, GRACE_MINUTES, Sight
from jobs.support.readable_numbers import plural
from regularize.opened import read_end

CONTINUES = "`regularize submit` continues"
# In ASCII, as the follow-up's script says so, too, in whatever encoding its shell has.
GIVE_MORE = {
    "OUT_OF_MEMORY": "`follow_up: {memory: 4G}` gives it more",
    "TIMEOUT": "`follow_up: {time: 120}` gives it more",
}
_END_OF_LOG, _LONGEST_LINE = 4096, 500  # bytes, characters
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
    if sight.live or sight.unheard or not sight.journal.arrays:
        return ""
    if any(handed.unsure for handed in sight.journal.handed):
        return "a submission was cut short: `regularize submit` finds out what Slurm has of it, and continues"
    if died := _dead_follow_up(sight, logs):
        return f"nothing goes on by itself: {died}; {CONTINUES}"
    unfinished = {row.run_id for row in rows} - set(done)
    unchosen = not unfinished and not any(row.phase == "report" for row in rows)
    return f"nothing goes on by itself: {CONTINUES}" if unchosen or unfinished - set(left_out) else ""


def silence(sight: Sight, done: Collection[str], minutes: int) -> list[str]:
    """What to say of jobs of which Slurm, or squeue, has no word; `minutes` is the cluster's time limit."""
    lines = []
    over = set(done)
    unheard = [(h, index) for h, index in sight.unheard if h.elements and not over.issuperset(h.runs(index))]
    if unheard:
        ends = [deadline(sight.journal, handed, index, minutes) for handed, index in unheard]
        if known := [end for end in ends if end]:
            then = f"`regularize submit` hands them over again after {max(known).astimezone():%b %d %H:%M}"
        else:
            then = "`regularize submit` looks again"
        runs = {run_id for handed, index in unheard for run_id in handed.runs(index)} - over
        lines.append(
            f"{plural(len(runs), 'run')} unknown: neither squeue nor sacct has a word of job "
            f"{_named(handed for handed, _ in unheard)}, which may be at work; {then}, when it cannot be; "
            "if you know that it is not, `regularize retry --lost` does so now"
        )
    if sight.by_accounts:
        tokens = {token for token, _ in sight.by_accounts}
        jobs = _named(handed for handed in sight.journal.handed if handed.token in tokens)
        lines.append(
            f"of job {jobs} squeue has no word, but sacct says that it goes on; if you know that it does "
            "not, `regularize retry --lost` hands its runs over again"
        )
    return lines


def deadline(journal: Journal, handed: Handed, index: int, minutes: int) -> datetime | None:
    """When an element of which Slurm has no word can no longer be at work; None before that was noted."""
    since = journal.unheard.get((handed.token, index))
    limit = timedelta(minutes=(handed.minutes or minutes) + GRACE_MINUTES)
    return datetime.fromisoformat(since) + limit if since else None


def _named(handed: Iterable[Handed]) -> str:
    return ", ".join(dict.fromkeys(str(each.job_id) for each in handed))


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
    log = logs / f"{last.job_id}_0_log.out"
    died = f"job {last.job_id}, which was to see to that, ended as {state} ({log})"
    died += f": {words}" if (words := _last_line(log)) else ""
    return f"{died}; {GIVE_MORE[state]}" if state in GIVE_MORE else died


def _last_line(log: Path) -> str:
    """What a job said last, as far as it says so in a line of usual length; empty where it said nothing."""
    with suppress(OSError):
        lines = [line.strip() for line in read_end(log, _END_OF_LOG).splitlines()]
        return next((line[:_LONGEST_LINE] for line in reversed(lines) if line), "")
    return ""


def left_out_line(reason: str, runs: int) -> str:
    """That runs are not handed over, and what hands them over."""
    return f"{plural(runs, 'run')} left out: {reason}; `regularize {remedy(reason)}` hands them over again"
