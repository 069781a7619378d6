"""`regularize logs`: the file that tells most of each run, and the end of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from jobs.status.run_filters import EVERYTHING, Filter, matching
from jobs.status.run_states import run_states
from jobs.store.journal import Journal
from jobs.store.pack_status import Packs, diverged, diverged_at, failure, read_packs
from jobs.store.planned_runs import Row, read_rows
from jobs.submission.job_outcomes import Sight
from jobs.support.readable_numbers import plural
from regularize.opened import read_end
from regularize.store import PackPaths, PackStatus, Store

SILENT = "(not there: it ended without a word, as on a full disk, a used up quota or when killed)"
TROUBLE = Filter(states=("failed", "lost", "unknown"))


def logs(store: Store, wanted: Filter, lines: int, sight: Sight) -> Iterator[str]:
    """Errors of failed packs and ends of others' logs, each once; without a filter, those of trouble."""
    yield from _told(store, wanted, sight)
    found = log_files(store, wanted, sight)
    for path, runs in found.items():
        shown = _text(path).splitlines()
        shown = shown if path.name == "error.txt" else shown[-lines:]
        yield "\n".join((f"==> {path} ({plural(runs, 'run')})", *shown, ""))
    if not found and wanted != EVERYTHING:
        yield "these runs have no logs"
    elif not found:
        yield "nothing else failed or was lost" if sight.journal.deaths else "nothing failed or was lost"


def log_files(store: Store, wanted: Filter, sight: Sight) -> dict[Path, int]:
    """The file that tells most of each wanted run (without a filter, those in trouble), and of how many."""
    packs = read_packs(store)
    states, _ = run_states(packs, sight, datetime.now(UTC))
    chosen = [row.run_id for row in _chosen(store, wanted, states)]
    return _log_files(store, chosen, states, sight.journal, packs)


def worker_log(store: Store, pid: int) -> Path | None:
    """The log of the worker of this machine that has, or had last, that number."""
    return max(store.logs.glob(f"worker-*-{pid}.log"), key=lambda path: path.lstat().st_mtime, default=None)


def _told(store: Store, wanted: Filter, sight: Sight) -> Iterator[str]:
    """What is known of the wanted runs that no log tells: which workers died, and who diverged when."""
    packs = read_packs(store)
    states, _ = run_states(packs, sight, datetime.now(UTC))
    chosen = [row.run_id for row in _chosen(store, wanted, states)]
    for death in sight.journal.deaths:
        if wanted == EVERYTHING or not set(chosen).isdisjoint(death.runs):
            yield f"{death.said} (its log is {store.logs / death.log})"
    if wanted != EVERYTHING:
        steps = diverged_at(packs)
        yield from (f"run {i}: {diverged(steps.get(i))}" for i in chosen if states.get(i) == "diverged")


def _chosen(store: Store, wanted: Filter, states: Mapping[str, str]) -> list[Row]:
    return matching(read_rows(store), TROUBLE if wanted == EVERYTHING else wanted, states)


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
        elif status and (log := worker_log(store, status.pid)):
            found[log] += 1
        elif states.get(run_id) == "lost" and status:
            for path in _since(store, status) or [store.pack(pack_id).error]:
                found[path] += 1
    return found


def _text(path: Path) -> str:
    try:
        return read_end(path)
    except FileNotFoundError:
        return _instead(path)
    except OSError as error:
        return f"(not shown: {error.strerror})"


def _instead(path: Path) -> str:
    """What to say where a file that should tell most is not there."""
    paths = PackPaths(path.parent)
    with suppress(OSError, ValueError, TypeError, KeyError):
        if path == paths.error and PackStatus.read(paths.status).state == "done":
            return failure(paths)
    return SILENT


def _since(store: Store, status: PackStatus) -> list[Path]:
    """What tasks of this machine said last, since a pack that one of them trained said nothing more."""
    with suppress(ValueError, OverflowError):
        last = datetime.fromisoformat(status.updated_at).timestamp()
        logs = sorted(store.logs.glob("*_log.err"))
        return [path for path in logs if path.lstat().st_mtime >= last and path.lstat().st_size]
    return []
