"""Slices → local processes through submitit, watched until they have ended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import submitit

from jobs.cluster.cluster_config import Cluster
from jobs.planning.packing import Pack
from jobs.worker.local_task import work
from regularize.store import Store

POLL_SECONDS = 0.25
# Time for the tasks to write their checkpoints; those that need longer finish alone.
GRACE_SECONDS = 60.0
_YEAR = 365 * 24 * 60  # minutes; submitit would end a task after two of them
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def launch(
    store: Store,
    slices: Sequence[Sequence[Pack]],
    cluster: Cluster,
    data_root: Path | None,
    tick: Callable[[], None],
) -> list[Path]:
    """Run one task for each slice and call `tick` while they run; returns the tasks' logs.

    Raises:
        KeyboardInterrupt: on Ctrl-C, SIGTERM or SIGHUP; the tasks have been told to checkpoint.
    """
    executor = submitit.LocalExecutor(folder=store.logs)
    executor.update_parameters(timeout_min=_YEAR, gpus_per_node=cluster.gpus)
    options = {"data_root": data_root, "threads": cluster.threads, "submitter": os.getpid()}
    options["checkpoint_minutes"] = cluster.checkpoint_minutes
    with _interruptible():
        with _deaf():
            jobs = [executor.submit(work, store.folder, _ids(slice_), **options) for slice_ in slices]
        try:
            while not all(job.done() for job in jobs):
                tick()
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            _end(jobs)
            raise
    return [job.paths.stderr for job in jobs]


def _ids(slice_: Sequence[Pack]) -> list[list[str]]:
    return [list(pack.runs) for pack in slice_]


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes that are started in here ignore the terminal's signals, as ignoring is inherited.

    Without that, Ctrl-C would reach the tasks' controllers too, and they kill their tasks within a
    second. Only this process is to hear it, and to pass it on as SIGTERM.
    """
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Raise `KeyboardInterrupt` on every signal that asks to end, but for those ignored (nohup)."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    heard = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(jobs: Sequence[submitit.Job[None]]) -> None:
    """Ask the tasks to checkpoint and end, and wait a while. A second interrupt ends the waiting.

    The signal is repeated: one that comes while a task starts is lost.
    """
    deadline = time.monotonic() + GRACE_SECONDS
    with suppress(KeyboardInterrupt):
        while time.monotonic() < deadline:
            running = [job for job in jobs if not job.done()]
            if not running:
                return
            for job in running:
                with suppress(ProcessLookupError):
                    os.kill(int(job.job_id), signal.SIGTERM)  # its controller, which passes it on
            time.sleep(0.5)
