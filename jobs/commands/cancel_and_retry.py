"""What can be done to a sweep that was submitted: cancel runs, train failed ones again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console

from jobs.commands.submit import settle_changes
from jobs.local.run_sweep import run_here
from jobs.planning.prepare_submission import as_before
from jobs.slurm.client import Slurm
from jobs.status.run_filters import EVERYTHING, Filter, matching
from jobs.status.run_states import pack_state, run_states
from jobs.store import submitted_settings
from jobs.store.handed import Ending
from jobs.store.journal import Journal, append, ended
from jobs.store.pack_status import Packs, read_packs
from jobs.store.planned_runs import Row, read_rows
from jobs.store.submit_lock import submit_lock
from jobs.store.unmeasured import settled
from jobs.submission.follow_up_job import way_to_slurm
from jobs.submission.job_outcomes import UNKNOWN, Place, Sight
from jobs.submission.reconcile import reconcile
from jobs.submission.retries import by_bad_nodes, judge
from jobs.submission.submit_to_slurm import submit_by_hand
from jobs.support.readable_numbers import plural
from regularize.store import Store


def cancel(store: Store, wanted: Filter, console: Console) -> None:
    """Take the wanted runs out of Slurm's queue; they stay out until the sweep is submitted again.

    A job ends if one of the runs it is to train is wanted; its others go on with the follow-up. If
    all are, the follow-up is cancelled too. On this machine a pack ends, with a checkpoint, if one of its
    runs is wanted, or is not begun; the task goes on with its other packs.
    """
    rows, known = read_rows(store), submitted_settings.load(store)
    if known.cluster.kind == "local":
        _cancel_here(store, rows, wanted, console)
        return
    with submit_lock(store.lock):
        slurm = Slurm(say=console.print)
        sight, packs = reconcile(way_to_slurm(store, known, slurm))
        states, _ = run_states(packs, sight, datetime.now(UTC))
        live, done = sight.live_runs(), settled(rows, packs)
        chosen = {row.run_id for row in matching(rows, wanted, states)}
        runs = (live if wanted == EVERYTHING else chosen & live) - done
        may_be = [*sight.live, *((handed.token, index) for handed, index in sight.unheard)]
        places = [place for place in may_be if _holds(sight.journal, place, runs)]
        append(store.journal, "cancelled", runs=sorted(runs), elements=places)
        ids = _slurm_ids(sight.journal, may_be, places)
        if wanted == EVERYTHING:
            ids += [str(handed.job_id) for handed, _ in sight.follow_ups()]
        slurm.cancel(ids)
    others = {run_id for place in places for run_id in _runs(sight.journal, place)} - runs - done
    console.print(f"{plural(len(runs), 'run')} of {plural(len(places), 'job')} cancelled")
    if others:
        console.print(f"{plural(len(others), 'run')} of these jobs go on with the follow-up")


def _cancel_here(store: Store, rows: Sequence[Row], wanted: Filter, console: Console) -> None:
    """Note which runs are cancelled where the tasks look for it.

    Raises:
        UserError: the store is not ours to write to.
    """
    packs, now = read_packs(store), datetime.now(UTC)
    states, _ = run_states(packs, None, now)
    runs = {row.run_id for row in matching(rows, wanted, states)} - settled(rows, packs)
    append(store.journal, "cancelled", runs=sorted(runs), elements=[])
    training = [s.runs for s in packs.statuses.values() if pack_state(s, now) == "running"]
    ending = {run_id for pack in training if not runs.isdisjoint(pack) for run_id in pack}
    console.print(f"{plural(len(ending & runs), 'run')} in training here told to write a checkpoint and end")
    if others := ending - runs:
        console.print(f"{plural(len(others), 'run')} of the same packs end with them")


def retry(store: Store, wanted: Filter, console: Console, *, lost: bool = False) -> bool:
    """Forget the failures of the wanted runs and submit the sweep as it was submitted last.

    Cancelled ones are taken up again only if a filter names them. On this machine, where what is not done
    waits for a submission anyway, the wanted ones alone are trained. `lost` is a person's word that
    the jobs are gone of which Slurm, or squeue, has none; they are ended should they not be.
    """
    submission = as_before(store, console)
    settle_changes(submission)
    if submission.cluster.kind == "local":
        return run_here(submission, again=wanted)
    with submit_lock(store.lock):
        slurm = Slurm(say=console.print)
        way = way_to_slurm(store, submission.saved, slurm)
        sight, packs = reconcile(way)
        again = _given_up(store, sight, packs, wanted, slurm) if lost else set()
        sight, packs = reconcile(way) if again else (sight, packs)
        states, _ = run_states(packs, sight, datetime.now(UTC))
        left_out = judge(sight.journal, packs, submission.cluster).left_out
        again |= {
            run_id for run_id, reason in left_out.items() if reason != "cancelled" or wanted != EVERYTHING
        }
        pardoned = by_bad_nodes(sight.journal) - left_out.keys()
        again |= pardoned - packs.done().keys() - sight.live_runs()
        runs = [row.run_id for row in matching(read_rows(store), wanted, states) if row.run_id in again]
        append(store.journal, "retried", runs=runs)
        store.stopped.unlink(missing_ok=True)
    console.print(f"{plural(len(runs), 'run')} to try again")
    return submit_by_hand(submission, everything=False)


def _given_up(store: Store, sight: Sight, packs: Packs, wanted: Filter, slurm: Slurm) -> set[str]:
    """The runs of jobs that someone says are lost; of those jobs the journal says so, too."""
    doubtful = [*sight.by_accounts, *((handed.token, index) for handed, index in sight.unheard)]
    states, _ = run_states(packs, sight, datetime.now(UTC))
    runs = {row.run_id for row in matching(read_rows(store), wanted, states)}
    places = [place for place in doubtful if _holds(sight.journal, place, runs)]
    slurm.cancel(_slurm_ids(sight.journal, doubtful, places))
    for token, index in places:
        ended(store.journal, token, {index: Ending(UNKNOWN, False)})
    return {run_id for place in places for run_id in _runs(sight.journal, place)}


def _runs(journal: Journal, place: Place) -> set[str]:
    handed = next(handed for handed in journal.handed if handed.token == place[0])
    return set(handed.runs(place[1])) if handed.elements else set()


def _holds(journal: Journal, place: Place, runs: set[str]) -> bool:
    return not runs.isdisjoint(_runs(journal, place))


def _slurm_ids(journal: Journal, may_be: Sequence[Place], places: list[Place]) -> list[str]:
    """As few ids as name these jobs, of those that may be at work: a whole array has one."""
    ids: list[str] = []
    for handed in journal.arrays:
        indices = [index for token, index in places if token == handed.token]
        alive = sum(token == handed.token for token, _ in may_be)
        whole = len(indices) == alive and indices
        ids += [str(handed.job_id)] if whole else [handed.slurm_id(index) for index in indices]
    return ids
