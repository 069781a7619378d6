"""Old code on the cluster goes: what no command has used for 30 days and no job in the queue began with.

A command's working folder, and so that of the jobs that it submits, is `<base>/sent/<snapshot>/…`: by it
Slurm tells with which snapshot a job began, and so does the job that follows it.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from jobs.remote.snapshot import NAME
from jobs.slurm.client import Slurm
from regularize.errors import UserError

DAYS = 30
_OLD = ".old"


def tidy(base: Path, slurm: Slurm) -> None:
    """Remove old snapshots with the files that were sent to them; nothing while Slurm does not answer."""
    snapshots, sent = base / "snapshots", base / "sent"
    old = {path for path in snapshots.iterdir() if _unused(path)}
    if not old:
        return
    try:
        used = _in_use(sent, slurm.working_folders())
    except UserError:
        return
    for path in old:
        if path.name not in used:
            _remove(path)
            _remove(sent / path.name)


def _unused(path: Path) -> bool:
    """Whether it is a snapshot, or what was left of an upload or a removal, and nobody came for it."""
    if not NAME.fullmatch(path.name.removeprefix(".").removesuffix(".partial").removesuffix(_OLD)):
        return False
    with suppress(FileNotFoundError):
        return path.stat().st_mtime < time.time() - DAYS * 86400
    return False


def _in_use(sent: Path, folders: Collection[str]) -> set[str]:
    """Names of snapshots below whose folders jobs have been submitted."""
    place = os.path.realpath(sent)
    below = (os.path.relpath(os.path.realpath(folder), place) for folder in folders)
    return {path.partition("/")[0] for path in below}


def _remove(path: Path) -> None:
    """Out of the way first: what is half removed must not look whole."""
    with suppress(FileNotFoundError):
        if not path.name.startswith("."):
            path = path.rename(path.with_name(f".{path.name}{_OLD}"))
        shutil.rmtree(path, ignore_errors=True)
