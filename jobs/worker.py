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
from pathlib import Path
from typing import Any, Protocol

from jobs.lock import alive
from jobs.packs import read_pack
from jobs.runs_file import read_runs
from regularize.config import RunConfig, pack_id
from regularize.store import PackPaths, PackStatus, Store, write_text

SUBMITTER_LOOK = 1.0  # seconds


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


def work(
    folder: Path,
    packs: Sequence[Sequence[str]],
    *,
    data_root: Path | None = None,
    threads: int = 1,
    submitter: int | None = None,
    train: Train | None = None,
) -> None:
    """Train packs in a process of this machine, until they are done or SIGTERM comes.

    `submitter` is a process of this host without which the work is not to go on.
    """
    stop = Stop(submitter, signal.SIGTERM)
    train_packs(folder, packs, data_root=data_root, threads=threads, stop=stop, train=train)


def train_packs(
    folder: Path,
    packs: Sequence[Sequence[str]],
    *,
    data_root: Path | None,
    threads: int,
    stop: Callable[[], bool],
    train: Train | None = None,
) -> bool:
    """Train the packs (lists of run ids) of the store `folder`; False if told to stop before the end.

    A pack that raises is recorded as failed, with its traceback in `error.txt`, and the next one is
    begun. Within a pack runs are in the order of their ids, whoever planned it: the run axis of a
    checkpoint has no names.
    """
    train = train or _prepare(threads)
    store = Store(folder)
    configs = _configs(store, {run_id for runs in packs for run_id in runs})
    for runs in packs:
        if stop():
            return False
        paths = store.pack(pack_id(runs))
        if not _done(paths):
            _attempt(train, [configs[run_id] for run_id in sorted(runs)], paths, data_root, stop)
    return not stop()


def _prepare(threads: int) -> Train:
    """The real training function, in a process that keeps to its share of the cores."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import torch

    from regularize.train import train_pack

    torch.set_num_threads(threads)
    return train_pack


def _configs(store: Store, run_ids: set[str]) -> dict[str, RunConfig]:
    from jobs.grid import from_table

    table = read_runs(store)
    wanted = [run_id in run_ids for run_id in table["run_id"].to_pylist()]
    return from_table(table.filter(wanted))


def _done(paths: PackPaths) -> bool:
    with suppress(ValueError):
        status = read_pack(paths)
        return status is not None and status.state == "done"
    return False


def _attempt(
    train: Train,
    runs: Sequence[RunConfig],
    paths: PackPaths,
    data_root: Path | None,
    stop: Callable[[], bool],
) -> None:
    paths.error.unlink(missing_ok=True)
    try:
        train(runs, paths, data_root=data_root, stop=stop)
    except Exception:  # whatever it was, the other packs are not to suffer
        write_text(paths.error, traceback.format_exc())
        _last_status(paths, [run.run_id for run in runs]).write(paths.status)


def _last_status(paths: PackPaths, run_ids: Sequence[str]) -> PackStatus:
    """The pack's status as it was, but failed; counters are 0 where it had none."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    here: dict[str, Any] = {"updated_at": now, "host": platform.node(), "pid": os.getpid()}
    with suppress(ValueError):
        if status := read_pack(paths):
            return replace(status, state="failed", **here)
    here |= dict.fromkeys(("step", "steps", "epoch", "epochs", "seconds"), 0)
    return PackStatus(state="failed", runs=tuple(run_ids), started_at=now, **here)
