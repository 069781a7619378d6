"""Old code goes: what no submission has used for 30 days and no job in the queue began with.

Below a base, `snapshots/<name>` is a state of the code and `jobs/<name>/` has the names of the jobs that
were handed to Slurm with it: by them Slurm tells which are still needed. `sent/<name>` is what commands
that came through ssh have brought.
"""

from __future__ import annotations

import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

from jobs.code_copy.snapshot import NAME
from jobs.slurm.client import Slurm
from regularize.errors import UserError

SNAPSHOTS = "snapshots"
DAYS = 30
_JOBS, _SENT = "jobs", "sent"
_LEFT = re.compile(rf"\.{NAME.pattern}\..*")  # of an upload, or of a removal


def mark_used(base: Path, name: str, job_name: str) -> None:
    """Note that a job of this name is to be submitted with a snapshot."""
    mark = base / _JOBS / name / job_name
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()


def tidy(base: Path, slurm: Slurm) -> None:
    """Remove old snapshots with what belongs to them; nothing while Slurm does not answer."""
    old = {path for path in (base / SNAPSHOTS).iterdir() if _unused(path)}
    if not old:
        return
    try:
        queued = {task.name for task in slurm.queued()}
    except UserError:
        return
    for path in old:
        if not any((base / _JOBS / path.name / name).exists() for name in queued) and _unused(path):
            for place in (path, base / _JOBS / path.name, base / _SENT / path.name):
                _remove(place)


def _unused(path: Path) -> bool:
    """Whether it is a snapshot, or what was left of an upload or a removal, and nobody came for it."""
    if not (NAME.fullmatch(path.name) or _LEFT.fullmatch(path.name)):
        return False
    with suppress(FileNotFoundError):
        return path.stat().st_mtime < time.time() - DAYS * 86400
    return False


def _remove(path: Path) -> None:
    """Out of the way first: what is half removed must not look whole."""
    with suppress(FileNotFoundError):
        if not path.name.startswith("."):
            path = path.rename(path.with_name(f".{path.name}.old"))
        shutil.rmtree(path, ignore_errors=True)
