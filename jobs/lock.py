"""One submission at a time for a store, across processes and hosts.

The lock is a file that names its holder. It is linked into place whole, so it works on network
file systems and is never seen half-written.
"""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from regularize.errors import UserError


@contextmanager
def submit_lock(path: Path) -> Iterator[None]:
    """Hold the lock `path`; that of a process of this host that died is taken over.

    Raises:
        UserError: another process holds it, or one on another host that cannot be asked.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    mine.write_text(json.dumps(_holder()), encoding="utf-8")
    try:
        _acquire(path, mine)
    finally:
        mine.unlink()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def alive(pid: int) -> bool:
    """Whether a process with this number runs on this host."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _holder() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _acquire(path: Path, mine: Path) -> None:
    while True:
        try:
            return os.link(mine, path)
        except FileExistsError:
            _remove_if_dead(path)


def _remove_if_dead(path: Path) -> None:
    """Remove the lock of a dead process of this host; raise `UserError` for any other."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    _check_dead(path, text)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    with suppress(FileNotFoundError):
        path.rename(aside)
        # Between reading and renaming, another process may have taken the dead lock's place.
        if aside.read_text(encoding="utf-8") != text:
            with suppress(FileExistsError):
                os.link(aside, path)
        aside.unlink()


def _check_dead(path: Path, text: str) -> None:
    try:
        holder = json.loads(text)
        host, pid, since = str(holder["host"]), int(holder["pid"]), str(holder["since"])
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is not a lock this version wrote; remove it if nothing is running") from None
    here = host == socket.gethostname()
    if here and not alive(pid):
        return
    hint = "" if here else f"; remove {path} if that process is gone"
    raise UserError(f"this sweep is being submitted by process {pid} on {host} since {since}{hint}")
