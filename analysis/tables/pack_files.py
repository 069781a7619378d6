"""The files of all packs: which there are, which there should be, and which runs they are of."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from regularize.awaited import each_of
from regularize.errors import UserError
from regularize.store import (
    DamagedFileError,
    PackPaths,
    PackStatus,
    Store,
    read_table,
    write_table,
)
from regularize.whole_files import stats_in, warn

Stamp = tuple[int, int, int]
"""Bytes, time of the last change in ns and inode: files are written whole, so a new one has another."""

_TABLES = ("results", "metrics", "spectra", "robustness", "corruptions")
_LOOKED_AT = pa.schema(
    [
        ("pack_id", pa.string()),
        ("looked_at", pa.string()),
        ("runs", pa.list_(pa.string())),
        ("gone", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True)
class PackFiles:
    """The files of a pack, from one listing."""

    folder: Path
    stamps: Mapping[str, Stamp]

    @classmethod
    def of(cls, folder: str) -> PackFiles:
        stats = stats_in(Path(folder))  # a link is one that reading refuses
        stamps = {name: (stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in stats.items()}
        return cls(Path(folder), stamps)

    def has(self, table: str) -> bool:
        return f"{table}.parquet" in self.stamps

    def damaged(self) -> list[Path]:
        """Files that were set aside and have not been written anew since."""
        return [
            self.folder / name
            for name in sorted(self.stamps)
            if name.endswith(".damaged") and name.removesuffix(".damaged") not in self.stamps
        ]

    def digest(self, *others: object) -> str:
        """Changes with any of the files."""
        return hashlib.blake2b(
            repr((others, sorted(self.stamps.items()))).encode(), digest_size=8
        ).hexdigest()


@dataclass(frozen=True)
class Pack:
    """A pack's files, the runs they are of, and those files that it lacks though it is done."""

    files: PackFiles
    runs: Sequence[str]
    gone: Sequence[str]


@dataclass(frozen=True)
class Packs:
    """All packs, in the order of their ids."""

    packs: Sequence[Pack]

    @classmethod
    def of(cls, store: Store) -> Packs:
        """What was found of a pack before is taken for found while its files stay the same.

        Raises:
            DamagedFileError: a pack's table is.
            UserError: the file system does not give a file.
        """
        listed, known = _listed(store), _known(store)
        brought = store.verified.exists()

        def look(files: PackFiles) -> tuple[str, Pack]:
            looked_at = files.digest(brought)
            if (found := known.get(files.folder.name)) and found[0] == looked_at:
                return looked_at, Pack(files, found[1], found[2])
            return looked_at, _look(files)

        found = list(each_of(listed, look))
        if {pack.files.folder.name: looked_at for looked_at, pack in found} != {
            pack_id: looked_at for pack_id, (looked_at, *_) in known.items()
        }:
            _keep(store, found)
        return cls([pack for _, pack in found])

    def damaged(self) -> list[Path]:
        return [path for pack in self.packs for path in pack.files.damaged()]

    def gone(self) -> list[Path]:
        """Files of packs that are done which are not there, nor set aside, or not of the size they had."""
        return [pack.files.folder / name for pack in self.packs for name in pack.gone]

    @cached_property
    def _first_those_with_results(self) -> list[Pack]:
        return sorted(self.packs, key=lambda pack: not pack.files.has("results"))

    def owners(self, table: str) -> dict[str, Pack]:
        """Where each run's rows of a table are.

        A run that was trained in two packs counts once: from the first of those with results, so that all
        tables speak of the same training; from another only where that lacks the table.
        """
        found: dict[str, Pack] = {}
        for pack in self._first_those_with_results:
            if pack.files.has(table):
                for run_id in pack.runs:
                    found.setdefault(run_id, pack)
        return found


def _listed(store: Store) -> list[PackFiles]:
    try:
        folders = sorted(
            entry.path for entry in os.scandir(store.packs) if entry.is_dir(follow_symlinks=False)
        )
        return list(each_of(folders, PackFiles.of))
    except FileNotFoundError:
        return []
    except OSError as error:  # a file in its place, a link to itself, no permission
        raise UserError(f"{error.filename} cannot be read: {error.strerror}") from None


def _known(store: Store) -> dict[str, tuple[str, list[str], list[str]]]:
    """What was found of packs before, by pack id, and of which files."""
    path = store.table("packs")
    try:
        columns = read_table(path).select(_LOOKED_AT.names).cast(_LOOKED_AT).to_pydict()
    except FileNotFoundError:
        return {}
    except (DamagedFileError, pa.ArrowException, KeyError) as error:
        warn(f"{path} was damaged ({getattr(error, 'reason', error)}): it is built anew")
        return {}
    found = zip(*(columns[name] for name in _LOOKED_AT.names), strict=True)
    return {pack_id: (looked_at, runs or [], gone or []) for pack_id, looked_at, runs, gone in found}


def _keep(store: Store, found: Sequence[tuple[str, Pack]]) -> None:
    rows = [
        {"pack_id": pack.files.folder.name, "looked_at": looked_at, "runs": pack.runs, "gone": pack.gone}
        for looked_at, pack in found
    ]
    write_table(store.table("packs"), rows, _LOOKED_AT)


def _look(files: PackFiles) -> Pack:
    status = None
    paths = PackPaths(files.folder)
    if paths.status.name in files.stamps:
        with suppress(OSError, ValueError, TypeError, KeyError):  # `submit` says what is wrong with it
            status = PackStatus.read(paths.status)
    if status is None or status.state != "done":
        return Pack(files, _runs_in(files), ())
    sizes = {name: stamp[0] for name, stamp in files.stamps.items()}
    aside = {path.stem for path in files.damaged()}
    return Pack(files, status.runs, [name for name in paths.missing(status, sizes) if name not in aside])


def _runs_in(files: PackFiles) -> list[str]:
    """The runs of a pack that does not say that it is done, by its first table."""
    for name in filter(files.has, _TABLES):
        runs: list[str] = (
            read_table(files.folder / f"{name}.parquet", ["run_id"])["run_id"].unique().to_pylist()
        )
        return runs
    return []
