"""What one process of a sweep on this machine executes; as a program, it reads on its input what to do."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jobs.worker.one_pack import HEARTBEAT, Train, training
from jobs.worker.progress_log import log_to_stdout
from jobs.worker.stopping import Cancelled, Stop
from jobs.worker.train_packs import train_packs
from regularize.errors import UserError
from regularize.store import Store

TOLD_TO_END = 128 + signal.SIGTERM
"""Exit code of one that had a signal and left packs for another; 0: nothing is left to do."""


def work(
    folder: Path,
    packs: Sequence[Sequence[str]],
    *,
    data_root: Path | None = None,
    threads: int = 1,
    checkpoint_minutes: int = 5,
    heartbeat_seconds: float | None = None,
    submitter: int | None = None,
    max_failures: int | None = None,
    needs_gpu: bool = False,
    train: Train | None = None,
) -> bool:
    """Train packs in a process of this machine, until they are done or SIGTERM comes; False if some are left.

    `submitter` is a process of this host without which the work is not to go on. A pack of which a run is
    cancelled ends with a checkpoint, or is not begun; none is once `max_failures` runs on end failed alike.

    Raises:
        UserError: it `needs_gpu`, and torch sees none.
    """
    store, stop = Store(folder), Stop(submitter, signal.SIGTERM)
    every = heartbeat_seconds or HEARTBEAT
    train = train or training(threads, checkpoint_minutes, heartbeat_seconds=every)
    if needs_gpu:
        from regularize.seen_gpus import ALL_THE_SAME, check_gpu

        check_gpu(f"install torch with CUDA and a driver for it; {ALL_THE_SAME}")
    cancelled = Cancelled(store.journal)
    return train_packs(
        store,
        packs,
        train,
        data_root=data_root,
        stop=stop,
        cancelled=cancelled,
        max_failures=max_failures,
        heartbeat_seconds=every,
    )


def order(folder: Path, packs: Sequence[Sequence[str]], data_root: Path | None, **options: Any) -> str:
    """The arguments of `work`, as the program reads them."""
    root = None if data_root is None else str(data_root)
    return json.dumps({"folder": str(folder), "packs": packs, "data_root": root, **options})


def main() -> int:
    """Work as ordered on standard input."""
    given = json.load(sys.stdin)
    folder, root = Path(given.pop("folder")), given.pop("data_root")
    log_to_stdout()
    try:
        whole = work(folder, given.pop("packs"), data_root=None if root is None else Path(root), **given)
    except UserError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    return 0 if whole else TOLD_TO_END


if __name__ == "__main__":
    sys.exit(main())
