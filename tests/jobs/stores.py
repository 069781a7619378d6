"""Stores as training leaves them, without training."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from regularize.config import pack_id
from regularize.evaluation.settings import Evaluation
from regularize.store import PackPaths, PackStatus, Store


def status(runs: Sequence[str], state: str, **changes: Any) -> PackStatus:
    """A pack's status, written just now by this process, half-way unless it is done."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    values: dict[str, Any] = {
        "state": state,
        "runs": tuple(runs),
        "step": 100 if state == "done" else 50,
        "steps": 100,
        "epoch": 5,
        "epochs": 10,
        "seconds": 10.0,
        "started_at": now,
        "updated_at": now,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "evaluation": Evaluation().text if state == "done" else "",
    }
    return PackStatus(**values | changes)


def write_pack(store: Store, runs: Sequence[str], state: str, **changes: Any) -> PackPaths:
    """The files of a pack; those of a done one are there, but empty."""
    paths = store.pack(pack_id(runs))
    status(runs, state, **changes).write(paths.status)
    if state == "done":
        for path in (paths.metrics, paths.results, paths.predictions):
            path.touch()
    return paths
