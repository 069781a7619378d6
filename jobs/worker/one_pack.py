"""One pack trained by a worker; a failure is recorded, so that the other packs do not suffer."""

from __future__ import annotations

import os
import platform
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from jobs.store.lease import Fence, LeaseLostError
from jobs.store.pack_status import read_pack
from regularize.config import RunConfig
from regularize.errors import RAISED, NoSpaceError
from regularize.rare_collections import rarely_collected
from regularize.store import PackPaths, PackStatus, write_text

HEARTBEAT = 2.0  # seconds between two words of a pack, where few train at once


class Train(Protocol):
    """`regularize.train_pack.train_pack` and `measure_again.measure_pack`, or a stand-in for them."""

    def __call__(
        self,
        runs: Sequence[RunConfig],
        paths: PackPaths,
        *,
        data_root: Path | None,
        stop: Callable[[], bool],
    ) -> PackStatus: ...


class Ending(Enum):
    """How an attempt at a pack ended; where it failed together, all ranks know and can go on to the next."""

    WHOLE = "whole"
    FAILED = "failed"
    FAILED_TOGETHER = "failed together"


def training(
    threads: int, checkpoint_minutes: int, job: str = "", heartbeat_seconds: float = HEARTBEAT
) -> Train:
    """What trains a pack, or measures one that is done, in a process that keeps to its share of the cores."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    with rarely_collected():  # what is imported stays, and to look through it takes a tenth of the time
        import torch

        from regularize.distributed import Ranks
        from regularize.measure_again import measure_pack
        from regularize.train_pack import train_pack

    torch.set_num_threads(threads)
    whole = partial(
        train_pack,
        job=job,
        checkpoint_seconds=60.0 * checkpoint_minutes,
        heartbeat_seconds=heartbeat_seconds,
    )

    def train(
        runs: Sequence[RunConfig], paths: PackPaths, *, data_root: Path | None, stop: Callable[[], bool]
    ) -> PackStatus:
        ranks = Ranks.here()
        if ranks.any(ranks.first and _trained(paths)):
            return measure_pack(runs, paths, data_root=data_root, stop=stop, job=job)
        return whole(runs, paths, data_root=data_root, stop=stop)

    return train


def _trained(paths: PackPaths) -> bool:
    """Whether only measuring is left to do; without its weights a pack has to be trained once more."""
    with suppress(ValueError):
        status = read_pack(paths)
        return status is not None and status.state == "done" and paths.weights.exists()
    return False


def attempt(
    train: Train,
    runs: Sequence[RunConfig],
    paths: PackPaths,
    data_root: Path | None,
    stop: Callable[[], bool],
    job: str,
    fence: Fence | None = None,
) -> Ending:
    """Train or measure one pack, of which `fence` is this process's; None on ranks that have none.

    Raises:
        LeaseLostError: another worker has taken it over: what failed here is no word on what that one does.
        NoSpaceError: the store's disk is full.
        RuntimeError: another rank is gone.
    """
    from regularize.alike import RanksError
    from regularize.distributed import Ranks, rank_lost

    try:
        train(runs, paths, data_root=data_root, stop=stop)
    except (NoSpaceError, LeaseLostError):
        raise
    except RAISED as error:  # whatever it was, the other packs are not to suffer
        if fence:
            fence.check()
        run_ids = [run.run_id for run in runs]
        together = isinstance(error, RanksError)
        if not together and rank_lost(error):
            _say_failed(paths, run_ids, job)
            raise
        if not together or Ranks.here().first:
            if not paths.error.exists():  # else another rank was the first to fail, of which this may come
                write_text(paths.error, traceback.format_exc())
            _last_status(paths, run_ids, job).write(paths.status)
        return Ending.FAILED_TOGETHER if together else Ending.FAILED
    return Ending.WHOLE


def _say_failed(paths: PackPaths, run_ids: Sequence[str], job: str) -> None:
    """Once more, if the rank that is gone had: a heartbeat of rank 0, before it knew, may lie over its word.

    Whoever knows says so, as the first to end ends all: rank 0 may not come to it.
    """
    with suppress(ValueError):
        if paths.error.exists() and (status := read_pack(paths)) and status.state == "running":
            _last_status(paths, run_ids, job).write(paths.status)


def _last_status(paths: PackPaths, run_ids: Sequence[str], job: str) -> PackStatus:
    """The pack's status as it was, but failed; counters are 0 where it had none. A done one stays done."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    here: dict[str, Any] = {"updated_at": now, "host": platform.node(), "pid": os.getpid(), "job": job}
    with suppress(ValueError):
        if status := read_pack(paths):
            if status.state == "done":
                return replace(status, measuring_failed=True, **here)
            return replace(status, state="failed", evaluation="", **here)  # not for lost files alone
    here |= dict.fromkeys(("step", "steps", "epoch", "epochs", "seconds"), 0)
    return PackStatus(state="failed", runs=tuple(run_ids), started_at=now, **here)
