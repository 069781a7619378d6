"""Jobs of this machine's Slurm import from a copy of the code, as it was when they were submitted.

A copy is `<store root>/.regularize-<user id>/snapshots/<name>`, for all sweeps of that root. Code that is
such a copy itself, be it in a follow-up or behind ssh, hands its jobs itself.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from shlex import quote

from jobs.code_copy.snapshot import NAME, ROOT, Snapshot, take_importable
from jobs.code_copy.tidy import SNAPSHOTS, mark_used, tidy
from jobs.slurm.client import Slurm
from regularize.errors import UserError
from regularize.own_code import COPIED, SAFE_PATH
from regularize.store import ORIGIN
from regularize.whole_files import naming_full_disk


def copy_for_jobs(root: Path, named: Sequence[str], say: Callable[[str], None]) -> Path:
    """The copy that jobs are to import from: made below the store root, unless this code is one.

    Args:
        named: `package.module:name` of the sweep, see `model_modules`.

    Raises:
        UserError: it has no place there.
    """
    if _is_copy(ROOT):
        os.utime(ROOT)
        return ROOT
    base = root.absolute() / f".regularize-{os.getuid()}"
    if os.pathsep in str(base):
        raise UserError(
            f"store is {str(root)!r}, but Python's path takes no {os.pathsep!r}: take another folder"
        )
    try:
        copy, new = place(take_importable(named, say), base / SNAPSHOTS)
        if new:
            tidy(base, Slurm(patience=0))
    except OSError as error:
        raise UserError(f"the code cannot be kept for the jobs: {error}") from None
    return copy


def hold(copy: Path, job_name: str) -> None:
    """Keep a copy as long as a job of this name is in the queue."""
    base = copy.parents[1]
    with naming_full_disk(base):
        mark_used(base, copy.name, job_name)


def lines(copy: Path) -> list[str]:
    """Of a job's script: what makes Python import from a copy, whatever else is on its path.

    The folder in which a job starts is that of its submission, often a checkout, and would come first.
    """
    ours = quote(os.pathsep.join([str(copy), *_folders_within(copy)]))
    return [
        f"export {SAFE_PATH}=1 {COPIED}=1",
        f'case "${{PYTHONPATH-}}:" in {ours}:*) ;; '
        f'*) export PYTHONPATH={ours}"${{PYTHONPATH:+:$PYTHONPATH}}" ;; esac',
    ]


def place(snapshot: Snapshot, folder: Path) -> tuple[Path, bool]:
    """A snapshot's own folder in `folder`, and whether it is new; built beside it, then renamed.

    One that is there is used if every file is as it was.

    Raises:
        NoSpaceError: the disk or the user's quota is full.
    """
    there = folder / snapshot.name
    if snapshot.is_in(there):
        os.utime(there)
        return there, False
    partial = folder / f".{snapshot.name}.{uuid.uuid4().hex[:12]}.partial"
    try:
        with naming_full_disk(there):
            snapshot.write(partial)
        _put(partial, there, snapshot)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return there, True


def _put(partial: Path, there: Path, snapshot: Snapshot) -> None:
    """Rename it, unless another submission has done so in the meantime; what was damaged makes room."""
    damaged = there.with_name(f".{there.name}.{uuid.uuid4().hex[:12]}.old")
    with suppress(FileNotFoundError):
        if not snapshot.is_in(there):
            there.rename(damaged)
    try:
        partial.rename(there)
    except OSError:
        if not snapshot.is_in(there):
            raise
    shutil.rmtree(damaged, ignore_errors=True)


def _is_copy(root: Path) -> bool:
    return root.parent.name == SNAPSHOTS and bool(NAME.fullmatch(root.name)) and (root / ORIGIN).exists()


def _folders_within(copy: Path) -> list[str]:
    """Further folders of modules that this process has from the copy."""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    inside = (
        entry for entry in entries if entry and Path(entry) != copy and Path(entry).is_relative_to(copy)
    )
    return list(dict.fromkeys(inside))
