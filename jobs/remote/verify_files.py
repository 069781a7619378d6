"""Whether the files that have come are whole: checksums of pages and archives, and numbers of runs.

What was found whole once is not read again as long as size and time are the same.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.tables.pack_files import DamagedFileError, read
from jobs.store.pack_status import read_packs
from regularize.store import PackPaths, PackStatus, Store, read_json, write_json

RECORD = "verified.json"

Stamp = list[int]  # size, time of the last change in ns


@dataclass(frozen=True)
class Problem:
    """A file that is not what it should be, and why."""

    path: Path
    reason: str


def verify(store: Store, *, weights: bool) -> list[Problem]:
    """Read what is new of finished packs; what is damaged is set aside, so that the next sync brings it."""
    record = store.folder / RECORD
    before, now = _recorded(record), {}
    problems = []
    for path, rows in _files(store, weights=weights):
        key = path.relative_to(store.folder).as_posix()
        stamp = _stamp(path)
        if reason := _wrong(path, rows) if stamp is None or stamp != before.get(key) else "":
            problems.append(Problem(path, reason))
            DamagedFileError(path, reason).set_aside()
        elif stamp:
            now[key] = stamp
    write_json(record, before | now)
    return problems


def _files(store: Store, *, weights: bool) -> Iterator[tuple[Path, set[str] | None]]:
    """The files that there must be, and those that are there; with the runs of a table."""
    yield store.runs, None
    packs = read_packs(store)
    for pack_id, status in packs.statuses.items():
        paths = store.pack(pack_id)
        if _said_done(paths):
            yield from _of_pack(paths, status, weights=weights)


def _of_pack(
    paths: PackPaths, status: PackStatus, *, weights: bool
) -> Iterator[tuple[Path, set[str] | None]]:
    runs = set(status.runs)
    yield paths.results, runs
    yield paths.metrics, None
    for path in (paths.predictions, paths.spectra, paths.robustness, paths.corruptions):
        if path.exists():
            yield path, None
    for path in (paths.weights, paths.snapshots) if weights else ():
        if path.exists():
            yield path, None


def _said_done(paths: PackPaths) -> bool:
    # `read_packs` counts a pack without its tables as failed.
    with suppress(OSError, ValueError, KeyError, TypeError):
        return PackStatus.read(paths.status).state == "done"
    return False


def _wrong(path: Path, runs: set[str] | None) -> str:
    """Why a file is not what it should be; empty if it is."""
    if not path.exists():
        return "it is missing, although its pack is done"
    if path.suffix == ".pt":
        return _wrong_archive(path)
    try:
        table = read(path)
    except DamagedFileError as error:
        return str(error).removeprefix(f"{path} is damaged: ")
    found = set(table["run_id"].to_pylist())
    return "" if runs is None or found == runs else f"it has {len(found)} of its pack's {len(runs)} runs"


def _wrong_archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        return str(error)
    return f"{member} in it is damaged" if member else ""


def _stamp(path: Path) -> Stamp | None:
    with suppress(FileNotFoundError):
        found = path.stat()
        return [found.st_size, found.st_mtime_ns]
    return None


def _recorded(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        return dict(read_json(path))
    return {}
