"""One submission at a time for a store, and one writer for a pack, across processes and hosts.

The lock is a file that names its holder. It is linked into place whole, so it works on network
file systems and is never seen half-written; where the file system knows no hard links, it is created as
what must not be there yet. Its holder touches it every now and then, and it says how often: one on another
host, or one whose name cannot be read, that is late by `late_seconds`, by the file system's clock, is taken
for dead.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from regularize.errors import UserError
from regularize.opened import read_whole
from regularize.store import naming_failures
from regularize.whole_files import parsed, sealed, unsealed

TOUCH_SECONDS = 15.0
LATE_SECONDS = 165.0
RAREST_TOUCH = 600.0  # that is believed
_NO_LINKS = (
    errno.EPERM,
    errno.ENOTSUP,
    errno.ENOSYS,
    errno.EMLINK,
)  # FAT, some FUSE and network file systems
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class LockedError(UserError):
    """Another submission is at work."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Of a lock: what its holder is doing, how often it is touched, and how late that may be until it counts
    as stale."""

    doing: str
    touch_seconds: float
    late_seconds: float


SUBMISSION = Kind(
    doing="this sweep is being submitted", touch_seconds=TOUCH_SECONDS, late_seconds=LATE_SECONDS
)


@dataclass(frozen=True)
class Held:
    """A lock that this process has, unless another has taken it over; touched every so many seconds."""

    path: Path
    text: bytes
    touch_seconds: float

    def lost(self) -> bool:
        try:
            return read_whole(self.path) != self.text
        except FileNotFoundError:
            return True
        except OSError:
            return False  # the file system is away: for whoever would take it over, too


@contextmanager
def submit_lock(path: Path, kind: Kind = SUBMISSION) -> Iterator[Held]:
    """Hold the lock `path`; that of a process that died is taken over.

    Raises:
        LockedError: another process holds it, or may.
        UserError: it cannot be written.
    """
    mine = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    text = json.dumps(sealed(_holder() | {"touched_every": kind.touch_seconds}))
    try:
        with naming_failures(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            mine.write_text(text, encoding="utf-8")
            _acquire(path, mine, kind)
    finally:
        with suppress(OSError):
            mine.unlink(missing_ok=True)
    lock, released = Held(path, text.encode(), kind.touch_seconds), threading.Event()
    threading.Thread(target=_touch, args=(lock, released), daemon=True).start()
    try:
        yield lock
    finally:
        released.set()
        with suppress(OSError):
            if not lock.lost():
                path.unlink()


def holder(path: Path) -> int | None:
    """The process that holds the lock, whatever its host; None where nobody does."""
    try:
        return int(unsealed(parsed(read_whole(path)))["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def held(path: Path) -> bool:
    """Whether a process that lives, as far as can be told, holds the lock."""
    try:
        text, silent = read_whole(path), time.time() - path.stat().st_mtime
        _check_dead(path, text, silent, SUBMISSION)
    except LockedError:
        return True
    except OSError:
        return False
    return False


def alive(pid: int) -> bool:
    """Whether a process with this number runs on this host; not one that ended, even unwaited for."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    stat = _stat(pid)
    return stat is None or stat[0] not in (b"Z", b"X")


def born(pid: int) -> str | None:
    """When a process of this host began: boot and tick, by `ps` where there is no `/proc`; None if unknown.

    It tells the process from a later one that was given the same number.
    """
    if not _BOOT.exists():
        return _born_by_ps(pid)
    try:
        boot = _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return None
    stat = _stat(pid)
    return f"{boot} {int(stat[19])}" if stat else None


def _stat(pid: int) -> list[bytes] | None:
    """What `/proc` says of a process from its state on; None where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return stat.rpartition(b")")[2].split()  # after the name, which may hold anything


def _born_by_ps(pid: int) -> str | None:
    """Date and second, as a Mac's `ps` tells them."""
    command, plain = ["ps", "-o", "lstart=", "-p", str(pid)], {"LC_ALL": "C", "TZ": "UTC"}
    try:
        done = subprocess.run(command, capture_output=True, timeout=10, check=True, env=os.environ | plain)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace").strip() or None


def _holder() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "born": born(os.getpid()),
        "numbers": _numbers(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _numbers() -> str | None:
    """Within which processes this one's number means it, as some containers have numbers of their own."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return None


def _acquire(path: Path, mine: Path, kind: Kind) -> None:
    while True:
        try:
            return _put(mine, path)
        except FileExistsError:
            _remove_if_dead(path, mine, kind)


def _put(mine: Path, path: Path) -> None:
    """
    Raises:
        FileExistsError: there is one already.
    """
    try:
        os.link(mine, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with path.open("xb") as file:
            file.write(mine.read_bytes())


def _touch(held: Held, released: threading.Event) -> None:
    while not released.wait(held.touch_seconds):
        with suppress(OSError):
            if not held.lost():  # a process that was stopped for long does not keep another's alive
                os.utime(held.path)


def _remove_if_dead(path: Path, mine: Path, kind: Kind) -> None:
    """Remove the lock of a dead process; raise `LockedError` for any other."""
    try:
        text = read_whole(path)
        os.utime(mine)
        silent = mine.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return
    _check_dead(path, text, silent, kind)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    with suppress(FileNotFoundError):
        path.rename(aside)
        # Between reading and renaming, another process may have taken the dead lock's place.
        if read_whole(aside) != text:
            with suppress(FileExistsError):
                _put(aside, path)
        aside.unlink()


def _check_dead(path: Path, text: bytes, silent: float, kind: Kind) -> None:
    try:
        holder = unsealed(parsed(text))
        host, pid, since = str(holder["host"]), int(holder["pid"]), str(holder["since"])
        began, numbers = holder.get("born"), holder.get("numbers")  # earlier versions did not say
        every = float(holder.get("touched_every", kind.touch_seconds))  # nor did they this
    except (ValueError, KeyError, TypeError, OverflowError):
        left = kind.touch_seconds + kind.late_seconds - silent
        if left < 0:
            return
        raise LockedError(
            f"{path} is damaged: whether a submission holds it cannot be read; if it stays silent for "
            f"{left:.0f} s more it is taken over, so try `regularize submit` again then"
        ) from None
    stale = silent > min(max(kind.touch_seconds, every), RAREST_TOUCH) + kind.late_seconds
    here = numbers is None or numbers == _numbers()
    if _dead(pid, began, host, stale) if here else stale:
        return
    raise LockedError(f"{kind.doing} by process {pid} on {host} since {since} (it holds {path})")


def _dead(pid: int, began: str | None, host: str, stale: bool) -> bool:
    """Whether a process is gone, or another one has its number, as far as can be told."""
    now = born(pid)
    if began is not None and now == began:
        return not alive(pid)  # it is this machine's, by whatever name that goes in the network of today
    if host == socket.gethostname() and not alive(pid):
        return True
    if host == socket.gethostname() and began is not None and now is not None:
        return True
    return stale
