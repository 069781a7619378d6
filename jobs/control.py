"""What can be done to a sweep that was submitted: cancel runs, train failed ones again, read its logs."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from jobs import saved
from jobs.filters import EVERYTHING, Filter
from jobs.journal import Journal, append, read_journal
from jobs.lock import submit_lock
from jobs.packs import Packs, read_packs
from jobs.prepare import Submission
from jobs.retries import judge
from jobs.rows import Row, read_rows
from jobs.settle import settle
from jobs.sight import Place, Sight
from jobs.slurm.commands import Slurm
from jobs.states import processes_here, run_states
from jobs.submit import submit
from jobs.words import plural
from regularize.store import Store

TROUBLE = Filter(states=("failed", "lost", "unknown"))


def cancel(store: Store, wanted: Filter, console: Console) -> None:
    """Take the wanted runs out of Slurm's queue; they stay out until the sweep is submitted again.

    A job ends if one of the runs it is to train is wanted; its others go on with the follow-up. If
    all are, the follow-up is cancelled too. On this machine, those in training end with a checkpoint.
    """
    rows, known = read_rows(store), saved.load(store)
    if known.cluster.kind == "local":
        _end_here(store, rows, wanted, console)
        return
    with submit_lock(store.lock):
        slurm = Slurm(say=console.print)
        sight, packs = settle(store, known, slurm)
        states, _ = run_states(packs, sight, datetime.now(UTC))
        live, done = sight.live_runs(), packs.done()
        matching = {row.run_id for row in _matching(rows, wanted, states)}
        runs = (live if wanted == EVERYTHING else matching & live) - done.keys()
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


def _end_here(store: Store, rows: list[Row], wanted: Filter, console: Console) -> None:
    """Tell the processes that train the wanted runs to write a checkpoint and end; others go on."""
    packs, now = read_packs(store), datetime.now(UTC)
    runs = {row.run_id for row in _matching(rows, wanted, run_states(packs, None, now)[0])}
    meant = {i: status for i, status in packs.statuses.items() if not runs.isdisjoint(status.runs)}
    pids = processes_here(Packs(meant), now)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    ended = sum(len(s.runs) for s in meant.values() if s.state == "running" and s.pid in pids)
    console.print(f"{plural(ended, 'run')} in training here told to write a checkpoint and end")


def retry(store: Store, wanted: Filter, console: Console) -> bool:
    """Forget the failures of the wanted runs and submit the sweep as it was submitted last.

    Cancelled ones are taken up again only if a filter names them.
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
    if known.cluster.kind == "local":  # where each submission trains what failed again
        return submit(submission)
    from jobs.run_slurm import submit_by_hand

    with submit_lock(store.lock):
        sight, packs = settle(store, known, Slurm(say=console.print))
        states, _ = run_states(packs, sight, datetime.now(UTC))
        left_out = judge(sight.journal, packs, known.cluster).left_out
        again = {
            run_id for run_id, reason in left_out.items() if reason != "cancelled" or wanted != EVERYTHING
        }
        runs = [row.run_id for row in _matching(read_rows(store), wanted, states) if row.run_id in again]
        append(store.journal, "retried", runs=runs)
    console.print(f"{plural(len(runs), 'run')} to try again")
    return submit_by_hand(submission, everything=False)


def logs(store: Store, wanted: Filter, lines: int) -> Iterator[str]:
    """Errors of failed packs and ends of others' logs, each once; without a filter, those of trouble."""
    found = log_files(store, wanted)
    for path, runs in found.items():
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else "(not there)"
        shown = text.splitlines() if path.name == "error.txt" else text.splitlines()[-lines:]
        yield "\n".join((f"==> {path} ({plural(runs, 'run')})", *shown, ""))
    if not found:
        yield "nothing failed or was lost" if wanted == EVERYTHING else "these runs have no logs"


def log_files(store: Store, wanted: Filter) -> dict[Path, int]:
    """The file that tells most of each wanted run (without a filter, of those in trouble), and of how many.

    Asks Slurm nothing.
    """
    sight = Sight(journal=read_journal(store.journal), live={}, gone={})
    packs = read_packs(store)
    states, _ = run_states(packs, sight if sight.journal.arrays else None, datetime.now(UTC))
    chosen = _matching(read_rows(store), TROUBLE if wanted == EVERYTHING else wanted, states)
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


def _matching(rows: list[Row], wanted: Filter, states: dict[str, str]) -> list[Row]:
    return [row for row in rows if wanted.matches(row, states.get(row.run_id, "planned"))]


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
