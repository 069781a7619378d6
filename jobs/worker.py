"""What one task executes: its packs one after the other, each to its end or to a checkpoint."""

from __future__ import annotations

import os
import platform
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from jobs.journal import read_journal
from jobs.lock import alive
from jobs.packs import read_pack
from jobs.runs_file import read_runs
from regularize.config import RunConfig, pack_id
from regularize.errors import NoSpaceError
from regularize.store import PackPaths, PackStatus, Store, write_text

SUBMITTER_LOOK = JOURNAL_LOOK = 1.0  # seconds


class Train(Protocol):
    """`regularize.train.train_pack`, or a stand-in for it."""

    def __call__(
        self,
        runs: Sequence[RunConfig],
        paths: PackPaths,
        *,
        data_root: Path | None,
        stop: Callable[[], bool],
    ) -> PackStatus: ...


class Stop:
    """Whether this process should checkpoint and end: on a signal, or when its submitter is gone.

    Must be made in the main thread, and after submitit has installed its own handlers, which
    ignore SIGTERM. A signal that comes a second time does what it did before.
    """

    def __init__(self, submitter: int | None, *signals: signal.Signals) -> None:
        self.asked = False
        self._submitter, self._next_look = submitter, 0.0
        self._before = {number: signal.signal(number, self._ask) for number in signals}

    def _ask(self, number: int, _: Any) -> None:
        self.asked = True
        signal.signal(number, self._before[signal.Signals(number)])

    def __call__(self) -> bool:
        if self._submitter and not self.asked and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + SUBMITTER_LOOK
            self.asked = not alive(self._submitter)
        return self.asked


class Cancelled:
    """Whether one of a pack's runs was cancelled, by the journal of the store; looks now and then."""

    def __init__(self, journal: Path) -> None:
        self._journal, self._runs, self._size, self._next_look = journal, frozenset[str](), 0, 0.0

    def __call__(self, runs: Sequence[str]) -> bool:
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + JOURNAL_LOOK
            with suppress(OSError):  # nobody has written to it, or the file system is away
                if (size := self._journal.stat().st_size) != self._size:
                    self._runs, self._size = read_journal(self._journal).cancelled, size
        return not self._runs.isdisjoint(runs)


def work(
    folder: Path,
    packs: Sequence[Sequence[str]],
    *,
    data_root: Path | None = None,
    threads: int = 1,
    checkpoint_minutes: int = 5,
    submitter: int | None = None,
    train: Train | None = None,
) -> None:
    """Train packs in a process of this machine, until they are done or SIGTERM comes.

    `submitter` is a process of this host without which the work is not to go on. A pack of which a run is
    cancelled ends with a checkpoint, or is not begun.
    """
    store, stop = Store(folder), Stop(submitter, signal.SIGTERM)
    train, cancelled = train or prepare(threads, checkpoint_minutes), Cancelled(store.journal)
    train_packs(store, packs, train, data_root=data_root, stop=stop, cancelled=cancelled)


def prepare(threads: int, checkpoint_minutes: int, job: str = "") -> Train:
    """The real training function, in a process that keeps to its share of the cores."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import torch

    from regularize.train import train_pack

    torch.set_num_threads(threads)
    return partial(train_pack, job=job, checkpoint_seconds=60.0 * checkpoint_minutes)


def never(*_: object) -> bool:
    return False


def train_packs(
    store: Store,
    packs: Sequence[Sequence[str]],
    train: Train,
    *,
    data_root: Path | None,
    stop: Callable[[], bool],
    late: Callable[[], bool] = never,
    cancelled: Callable[[Sequence[str]], bool] = never,
    job: str = "",
) -> bool:
    """Train packs (lists of run ids); False if some are left, but for those `cancelled`.

    A pack that raises is recorded as failed, with its traceback in `error.txt`, and the next one is
    begun; but ranks that train together end then, as they no longer know of each other where
    they are. Once it is `late` no further pack is begun. Packs that failed in this `job` before it was
    requeued are not tried again. Within a pack runs are in the order of their ids, whoever planned
    it: the run axis of a checkpoint has no names.

    Raises:
        NoSpaceError: the store's disk is full.
        RuntimeError: another rank is gone.
    """
    from regularize.distributed import Ranks

    ranks = Ranks.here()
    configs = _configs(store, {run_id for runs in packs for run_id in runs})
    begun = False
    for position, runs in enumerate(packs):
        paths = store.pack(pack_id(runs))
        if ranks.any(_ended(paths, job) or cancelled(runs)):
            continue
        if ranks.any(stop() or (begun and late())):
            return False
        begun = True
        if ranks.first:
            paths.error.unlink(missing_ok=True)
        ranks.wait()
        ends = partial(_either, stop, partial(cancelled, runs))
        whole = _attempt(train, [configs[run_id] for run_id in sorted(runs)], paths, data_root, ends, job)
        if ranks.any(stop()) if whole else ranks.world > 1:
            return all(_ended(store.pack(pack_id(left)), job) for left in packs[position:])
    return True


def _either(one: Callable[[], bool], other: Callable[[], bool]) -> bool:
    return one() or other()


def _configs(store: Store, run_ids: set[str]) -> dict[str, RunConfig]:
    from jobs.grid import from_table

    table = read_runs(store)
    wanted = [run_id in run_ids for run_id in table["run_id"].to_pylist()]
    return from_table(table.filter(wanted))


def _ended(paths: PackPaths, job: str) -> bool:
    """Whether a pack is done, or failed in this very job."""
    with suppress(ValueError):
        if status := read_pack(paths):
            here = bool(job) and _without_process(status.job) == _without_process(job)
            return status.state == "done" or (status.state == "failed" and here)
    return False


def _without_process(job: str) -> str:
    return job.rpartition("_")[0]


def _attempt(
    train: Train,
    runs: Sequence[RunConfig],
    paths: PackPaths,
    data_root: Path | None,
    stop: Callable[[], bool],
    job: str,
) -> bool:
    """Train one pack; False if it failed."""
    from regularize.distributed import rank_lost

    try:
        train(runs, paths, data_root=data_root, stop=stop)
    except NoSpaceError:
        raise
    except Exception as error:  # whatever it was, the other packs are not to suffer
        if rank_lost(error):
            raise
        write_text(paths.error, traceback.format_exc())
        _last_status(paths, [run.run_id for run in runs], job).write(paths.status)
        return False
    return True


def _last_status(paths: PackPaths, run_ids: Sequence[str], job: str) -> PackStatus:
    """The pack's status as it was, but failed; counters are 0 where it had none."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    here: dict[str, Any] = {"updated_at": now, "host": platform.node(), "pid": os.getpid(), "job": job}
    with suppress(ValueError):
        if status := read_pack(paths):
            return replace(status, state="failed", **here)
    here |= dict.fromkeys(("step", "steps", "epoch", "epochs", "seconds"), 0)
    return PackStatus(state="failed", runs=tuple(run_ids), started_at=now, **here)
