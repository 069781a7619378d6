"""What one process of a sweep on this machine executes."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

from jobs.worker.one_pack import Train, training
from jobs.worker.stopping import Cancelled, Stop
from jobs.worker.train_packs import train_packs
from regularize.store import Store


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
    train, cancelled = train or training(threads, checkpoint_minutes), Cancelled(store.journal)
    train_packs(store, packs, train, data_root=data_root, stop=stop, cancelled=cancelled)
