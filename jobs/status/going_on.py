"""What goes on with a sweep by itself, what does not and why, and which command continues it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from jobs.slurm.client import Slurm
from jobs.status.run_states import processes_here
from jobs.store import submitted_settings
from jobs.store.journal import Journal, read_journal
from jobs.store.pack_status import Packs
from jobs.store.planned_runs import Row
from jobs.store.stopped import still_stopped
from jobs.store.submit_lock import held
from jobs.store.unmeasured import settled
from jobs.submission.continuation import CONTINUES, halted, silence
from jobs.submission.job_outcomes import Sight, look_now
from jobs.submission.retries import judge
from jobs.support.readable_numbers import plural
from regularize.errors import UserError
from regularize.store import Store

# How long a status waits for a controller that is away.
PATIENCE = 20.0


def see(store: Store, say: Callable[[str], None] = lambda _: None) -> tuple[Sight, list[str]]:
    """What Slurm has in hand, and what there is to say of it: where it does not answer, that is unknown."""
    try:
        return look_now(store.journal, Slurm(say=say, patience=PATIENCE)), []
    except UserError as error:
        return _unseen(read_journal(store.journal)), [f"{error}; what Slurm has in hand is unknown"]


def given_up(store: Store, rows: Sequence[Row], sight: Sight, packs: Packs) -> dict[str, str]:
    """The unfinished runs that are not handed over again by themselves, and why."""
    with suppress(UserError):
        cluster = submitted_settings.load(store).cluster
        if cluster.kind == "slurm":
            done, live = settled(rows, packs), sight.live_runs()
            verdict = {**judge(sight.journal, packs, cluster).left_out}
            why = still_stopped(store, cluster.max_failures)
            if why and why.holds(at_work=bool(sight.live)):
                verdict = dict.fromkeys((row.run_id for row in rows), why.reason) | verdict
            return {i: why for i, why in verdict.items() if i not in done and i not in live}
    return {}


def stopped(
    store: Store, rows: Sequence[Row], sight: Sight, packs: Packs, left_out: Mapping[str, str]
) -> str:
    """Why nothing goes on by itself, and which command continues; `` where something does."""
    with suppress(UserError):
        cluster = submitted_settings.load(store).cluster
        if cluster.kind == "slurm":
            return halted(rows, sight, settled(rows, packs), left_out, store.logs)
        return _stopped_here(store, rows, sight.journal, packs, cluster.max_failures)
    return ""


def unheard(store: Store, rows: Sequence[Row], sight: Sight, packs: Packs) -> list[str]:
    """What to say of jobs of which Slurm has no word."""
    with suppress(UserError):
        return silence(sight, settled(rows, packs), submitted_settings.load(store).cluster.time)
    return []


def reports_ahead(store: Store, rows: Sequence[Row], packs: Packs) -> int:
    """How many report runs follow when strengths are chosen; 0 when they are and tuning is done."""
    done, planned = packs.done(), sum(row.phase == "report" for row in rows)
    unchosen = bool(rows) and not planned
    if unchosen or any(row.phase == "tune" and row.run_id not in done for row in rows):
        return max(0, submitted_settings.report_runs(store) - planned)
    return 0


def _stopped_here(
    store: Store, rows: Sequence[Row], journal: Journal, packs: Packs, max_failures: int | None
) -> str:
    """Of a sweep on this machine: a submission, or what it left behind, is at work, or a person has to be."""
    if held(store.lock) or processes_here(packs, datetime.now(UTC)):
        return ""
    unchosen = bool(rows) and not any(row.phase == "report" for row in rows)
    unfinished = {row.run_id for row in rows} - settled(rows, packs)
    if not unchosen and not unfinished:
        return ""
    if unfinished and unfinished <= journal.cancelled:  # which `retry` takes up only where it names them
        return f"nothing goes on by itself: {plural(len(unfinished), 'run')} cancelled; {CONTINUES}"
    died = [death.said for death in journal.deaths if death.given_up][-1:]
    if alike := still_stopped(store, max_failures):
        died = [alike.reason]
    why = ", ".join(died) or "no submission is at work"
    command = shlex.join(["regularize", "retry", str(store.folder)])
    return f"nothing goes on by itself: {why}; `{command}` continues"


def _unseen(journal: Journal) -> Sight:
    """What there is to see where Slurm does not answer."""
    return Sight(journal=journal, live={}, gone={})
