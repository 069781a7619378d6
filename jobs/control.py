"""What can be done to a sweep that was submitted: cancel runs, train failed ones again, read its logs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from jobs import saved
from jobs.filters import EVERYTHING, Filter, matching
from jobs.journal import Journal, append
from jobs.lock import submit_lock
from jobs.packs import Packs, read_packs
from jobs.prepare import Submission
from jobs.retries import judge
from jobs.rows import read_rows
from jobs.settle import settle
from jobs.sight import Place, Sight
from jobs.slurm.commands import Slurm
from jobs.states import pack_state, run_states
from jobs.words import plural
from regularize.store import Store

TROUBLE = Filter(states=("failed", "lost", "unknown"))


def cancel(store: Store, wanted: Filter, console: Console) -> None:
    """Take the wanted runs out of Slurm's queue; they stay out until the sweep is submitted again.

    A job ends if one of the runs it is to train is wanted; its others go on with the follow-up. If
    all are, the follow-up is cancelled too. On this machine a pack ends, with a checkpoint, if one of its
    runs is wanted, or is not begun; the task goes on with its other packs.
    """
    rows, known = read_rows(store), saved.load(store)
    if known.cluster.kind == "local":
        _cancel_here(store, wanted, console)
        return
    with submit_lock(store.lock):
        slurm = Slurm(say=console.print)
        sight, packs = settle(store, known, slurm)
        states, _ = run_states(packs, sight, datetime.now(UTC))
        live, done = sight.live_runs(), packs.done()
        chosen = {row.run_id for row in matching(rows, wanted, states)}
        runs = (live if wanted == EVERYTHING else chosen & live) - done.keys()
        places = [place for place in sight.live if _holds(sight.journal, place, runs)]
        append(store.journal, "cancelled", runs=sorted(runs), elements=places)
        ids = _slurm_ids(sight, places)
        if wanted == EVERYTHING:
            ids += [str(handed.job_id) for handed, _ in sight.follow_ups()]
        slurm.cancel(ids)
    others = {run_id for place in places for run_id in _runs(sight.journal, place)} - runs - done.keys()
    console.print(f"{plural(len(runs), 'run')} of {plural(len(places), 'job')} cancelled")
    if others:
        console.print(f"{plural(len(others), 'run')} of these jobs go on with the follow-up")


def _cancel_here(store: Store, wanted: Filter, console: Console) -> None:
    """Note which runs are cancelled where the tasks look for it.

    Raises:
        UserError: the store is not ours to write to.
    """
    packs, now = read_packs(store), datetime.now(UTC)
    states, _ = run_states(packs, None, now)
    runs = {row.run_id for row in matching(read_rows(store), wanted, states)} - packs.done().keys()
    append(store.journal, "cancelled", runs=sorted(runs), elements=[])
    training = [s.runs for s in packs.statuses.values() if pack_state(s, now) == "running"]
    ending = {run_id for pack in training if not runs.isdisjoint(pack) for run_id in pack}
    console.print(f"{plural(len(ending & runs), 'run')} in training here told to write a checkpoint and end")
    if others := ending - runs:
        console.print(f"{plural(len(others), 'run')} of the same packs end with them")


def retry(store: Store, wanted: Filter, console: Console) -> bool:
    """Forget the failures of the wanted runs and submit the sweep as it was submitted last.

    Cancelled ones are taken up again only if a filter names them. On this machine, where what is not done
    waits for a submission anyway, the wanted ones alone are trained.
    """
    known = saved.load(store)
    submission = Submission(
        sweep=saved.load_saved_sweep(store),
        store=store,
        cluster=known.cluster,
        data_root=known.data_root,
        overrides=(),
        console=console,
    )
    if known.cluster.kind == "local":
        from jobs.run_here import run_here

        return run_here(submission, again=wanted)
    from jobs.run_slurm import submit_by_hand

    with submit_lock(store.lock):
        sight, packs = settle(store, known, Slurm(say=console.print))
        states, _ = run_states(packs, sight, datetime.now(UTC))
        left_out = judge(sight.journal, packs, known.cluster).left_out
        again = {
            run_id for run_id, reason in left_out.items() if reason != "cancelled" or wanted != EVERYTHING
        }
        runs = [row.run_id for row in matching(read_rows(store), wanted, states) if row.run_id in again]
        append(store.journal, "retried", runs=runs)
    console.print(f"{plural(len(runs), 'run')} to try again")
    return submit_by_hand(submission, everything=False)


def logs(store: Store, wanted: Filter, lines: int, sight: Sight) -> Iterator[str]:
    """Errors of failed packs and ends of others' logs, each once; without a filter, those of trouble."""
    found = log_files(store, wanted, sight)
    for path, runs in found.items():
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else "(not there)"
        shown = text.splitlines() if path.name == "error.txt" else text.splitlines()[-lines:]
        yield "\n".join((f"==> {path} ({plural(runs, 'run')})", *shown, ""))
    if not found:
        yield "nothing failed or was lost" if wanted == EVERYTHING else "these runs have no logs"


def log_files(store: Store, wanted: Filter, sight: Sight) -> dict[Path, int]:
    """The file that tells most of each wanted run (without a filter, those in trouble), and of how many."""
    packs = read_packs(store)
    states, _ = run_states(packs, sight, datetime.now(UTC))
    chosen = matching(read_rows(store), TROUBLE if wanted == EVERYTHING else wanted, states)
    return _log_files(store, [row.run_id for row in chosen], states, sight.journal, packs)


def _log_files(
    store: Store, run_ids: list[str], states: dict[str, str], journal: Journal, packs: Packs
) -> dict[Path, int]:
    """The file that tells most of each run, and how many of them it tells of."""
    told = {run_id: (pack_id, status) for pack_id, status in packs.statuses.items() for run_id in status.runs}
    jobs = {
        run_id: f"{handed.slurm_id(index)}_{number}"
        for handed in journal.arrays
        if handed.job_id
        for index, element in enumerate(handed.elements)
        for number, slice_ in enumerate(element)
        for pack in slice_
        for run_id in pack
    }
    found: dict[Path, int] = defaultdict(int)
    for run_id in run_ids:
        pack_id, status = told.get(run_id, ("", None))
        job = (status.job if status else "") or jobs.get(run_id, "")
        if states.get(run_id) == "failed":
            found[store.pack(pack_id).error] += 1
        elif job:
            found[store.logs / f"{job}_log.out"] += 1
    return found


def _runs(journal: Journal, place: Place) -> set[str]:
    handed = next(handed for handed in journal.handed if handed.token == place[0])
    return set(handed.runs(place[1])) if handed.elements else set()


def _holds(journal: Journal, place: Place, runs: set[str]) -> bool:
    return not runs.isdisjoint(_runs(journal, place))


def _slurm_ids(sight: Sight, places: list[Place]) -> list[str]:
    """As few ids as name these jobs: a whole array has one."""
    ids: list[str] = []
    for handed in sight.live_arrays():
        indices = [index for token, index in places if token == handed.token]
        alive = sum(token == handed.token for token, _ in sight.live)
        whole = len(indices) == alive and indices
        ids += [str(handed.job_id)] if whole else [handed.slurm_id(index) for index in indices]
    return ids
