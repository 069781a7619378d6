"""Packs that were done and whole when they were last looked at, by this process or, in one file, by another:
of thousands of them their folders are looked at, and not every file.

Files of a pack are renamed into its folder or removed from it, and either changes the folder. So one that is
the same folder, unchanged since, has the same files. Nor does a first look ask for the size of each file
where the folder has been quiet: what was written over in place, or cut off, `submit` and `collect` see,
which look at all of them.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

import pyarrow as pa

from jobs.store.pack_status import Packs, read_packs
from regularize import __version__
from regularize.awaited import each_of
from regularize.errors import UserError
from regularize.store import PackStatus, Store, read_table, write_table

WORTH = 500  # packs to be read, for which a file is written
QUIET_SECONDS = 60.0  # longer than what a file system rounds times to, and than clocks differ


class _Row(NamedTuple):
    """Of a pack: what changes with its folder, and its status as JSON."""

    pack_id: str
    folder: str
    status: str


_SCHEMA = pa.schema([(name, pa.string()) for name in _Row._fields])


def look_at_packs(store: Store, before: Packs | None = None) -> Packs:
    """As `read_packs`, for who only wants to know: a folder that is as it was has what it had.

    Where much was read that a later look can do without, it is written down, if the store lets us.

    Args:
        before: what this process has found when it last looked.
    """
    stamps = _stamps(store)
    quiet = {pack_id for pack_id, stamp in stamps.items() if _quiet(stamp)}
    if before and before.statuses:
        same = before.folders.items() & stamps.items()
        found = read_packs(store, Packs({name: before.statuses[name] for name, _ in same}), by_name=quiet)
    elif store.verified.exists():  # what `sync` brought may lack files
        found = read_packs(store)
    else:
        rows = [row for row in _kept(store) if stamps.get(row.pack_id) == row.folder]
        found = read_packs(store, Packs(dict(_statuses(rows))), by_name=quiet)
        _keep(store, found, stamps, rows)
    return replace(found, folders=_known_again(found, stamps))


def _stamps(store: Store) -> dict[str, str]:
    """Of each pack's folder, what changes with it, and with the version that judges what is done."""

    def stamp(entry: os.DirEntry[str]) -> tuple[str, str]:
        with suppress(FileNotFoundError):  # moved away meanwhile
            stat = entry.stat(follow_symlinks=False)
            return entry.name, f"{__version__}:{stat.st_ino} {stat.st_mtime_ns} {stat.st_ctime_ns}"
        return entry.name, ""

    try:
        return dict(each_of(list(os.scandir(store.packs)), stamp))
    except OSError:
        return {}  # `read_packs` says why


def _kept(store: Store) -> list[_Row]:
    """What was written down; nothing where that is damaged, as it can be read again."""
    with suppress(FileNotFoundError, UserError, pa.ArrowException, KeyError):
        columns = read_table(store.table("statuses")).select(_SCHEMA.names).cast(_SCHEMA).to_pydict()
        return [_Row(*row) for row in zip(*columns.values(), strict=True)]
    return []


def _statuses(rows: Iterable[_Row]) -> Iterator[tuple[str, PackStatus]]:
    for row in rows:
        with suppress(ValueError, TypeError, KeyError):
            yield row.pack_id, PackStatus.from_json(json.loads(row.status))


def _keep(store: Store, found: Packs, stamps: Mapping[str, str], same: Sequence[_Row]) -> None:
    before = {row.pack_id for row in same}
    new = [
        _Row(pack_id, stamp, json.dumps(vars(found.statuses[pack_id])))
        for pack_id, stamp in _known_again(found, stamps).items()
        if pack_id not in before
    ]
    if len(new) >= WORTH:
        with suppress(UserError):  # somebody else's store, or a full disk
            rows = [row._asdict() for row in (*same, *new)]
            write_table(store.table("statuses"), rows, _SCHEMA)


def _known_again(found: Packs, stamps: Mapping[str, str]) -> dict[str, str]:
    """Of the packs that are done and whose folders have been quiet, what changes with these."""
    return {
        pack_id: stamps[pack_id]
        for pack_id, status in found.statuses.items()
        if status.state == "done" and _quiet(stamps.get(pack_id, ""))
    }


def _quiet(stamp: str) -> bool:
    """Whether a folder was last changed long enough ago."""
    changed = max(map(int, stamp.split()[1:]), default=None)
    return changed is not None and changed < time.time_ns() - int(1e9 * QUIET_SECONDS)
