"""A sweep's files on their way home: those that differ, one behind the other in one stream.

Each is a line of JSON and the bytes that it announces. What comes first tells of the sweep and of its packs,
so that what is said to be done comes after: tables, on request weights, logs of failures.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from jobs.status.log_files import log_files
from jobs.status.run_filters import EVERYTHING
from jobs.store.journal import read_journal
from jobs.submission.job_outcomes import unasked
from regularize.errors import UserError
from regularize.opened import opened
from regularize.path_parts import PART
from regularize.store import PackPaths, Store
from regularize.typed import checked
from regularize.whole_files import parsed

_WHOLE = ("sweep", "provenance", "runs", "submission", "journal", "accepted", "looks", "techniques")
_INPUTS = ("*.diff", "code/*.zip", "data/*.json")
_STATES = ("status", "error")
_TABLES = ("metrics", "results", "predictions", "spectra", "robustness", "corruptions")
_WEIGHTS = ("weights", "snapshots")
_PARTIAL = ".partial"
_MOST_HEADER = 1 << 16
# The files that a sweep sends, and no others: what is made of them is made here.
_OURS = re.compile(
    r"(sweep\.yaml|provenance\.json|runs\.parquet|submission\.json|journal\.jsonl|accepted\.json"
    r"|looks\.cluster\.json|[0-9a-f]{16}\.diff|(code/{part}\.zip|data/{part}\.json)"
    r"|packs/{part}/(status\.json|error\.txt|(metrics|results|predictions|spectra|robustness|corruptions)"
    r"\.parquet|(weights|snapshots)\.pt)|logs/{part})".replace("{part}", PART)
)
_CHUNK = 1 << 20
# Nanoseconds to which file systems round the time of a change: APFS and ext4, NTFS, old ones, FAT.
_GRAINS = (1, 100, 1000, 10**9, 2 * 10**9)

Stamp = tuple[int, int]  # size, time of the last change in ns


@dataclass(frozen=True, kw_only=True)
class Had:
    """What is at home already: files, and by stamp how much has come of others, by path in the store."""

    files: Mapping[str, Stamp]
    parts: Mapping[str, tuple[int, int, int]]


@dataclass(frozen=True, kw_only=True)
class _Header:
    path: str
    size: int
    time: int
    begin: int  # what has come before


def send(store: Store, had: Mapping[str, Any], out: IO[bytes], *, weights: bool) -> None:
    """Write what differs of a store.

    Args:
        had: a `Had`, as JSON tells it.

    Raises:
        UserError: there is no such store, or a file became shorter while it was read.
    """
    if not store.runs.exists():
        raise UserError(
            f"there is no sweep {store.folder.name} in {store.folder.parent}: has it been submitted?"
        )
    for path in _files(store, weights=weights):
        with suppress(FileNotFoundError):  # never made, or replaced by now
            # Those that were noted here are kept: the laptop compares, too.
            place = store.looks_there if path == store.looks else path
            _send(path, place.relative_to(store.folder).as_posix(), had, out)


def _send(path: Path, name: str, had: Mapping[str, Any], out: IO[bytes]) -> None:
    with opened(path) as file:
        found = os.fstat(file.fileno())
        size, time = found.st_size, found.st_mtime_ns
        if _same(had["files"].get(name), size, time):
            return
        *stamp, begin = had["parts"].get(name, (0, 0, 0))
        header = _Header(path=name, size=size, time=time, begin=begin if stamp == [size, time] else 0)
        out.write(json.dumps(asdict(header)).encode() + b"\n")
        file.seek(header.begin)
        left = size - header.begin
        while left:
            data = file.read(min(left, _CHUNK))
            if not data:
                raise UserError(f"{path} became shorter while it was read; the same command goes on")
            out.write(data)
            left -= len(data)
    out.flush()


def _same(had: list[int] | None, size: int, time: int) -> bool:
    return had is not None and had[0] == size and had[1] in {time - time % grain for grain in _GRAINS}


def _files(store: Store, *, weights: bool) -> Iterator[Path]:
    """Files that there may be, in the order in which they are to come."""
    yield from (getattr(store, name) for name in _WHOLE)
    for pattern in _INPUTS:
        yield from store.folder.glob(pattern)
    packs = [PackPaths(folder) for folder in sorted(store.packs.glob("*")) if folder.is_dir()]
    for names in (_STATES, (*_TABLES, *_WEIGHTS) if weights else _TABLES):
        yield from (getattr(pack, name) for pack in packs for name in names)
    told = log_files(store, EVERYTHING, unasked(read_journal(store.journal)))
    yield from (path for path in told if path.parent == store.logs)


def _header(line: bytes) -> _Header:
    """
    Raises:
        UserError: it is none.
    """
    try:
        header = checked(_Header(**parsed(line)))
        if not 0 <= header.begin <= header.size or not 0 <= header.time < 1 << 63:
            raise ValueError("its numbers make no sense")
        return header
    except (ValueError, TypeError) as error:
        raise UserError(f"the cluster sends what is no file of a sweep: {error}") from None


class Receiver:
    """Puts what is sent in its place, each file whole or not at all; `count` says how many have come."""

    def __init__(self, folder: Path) -> None:
        self.count = 0
        self._folder = folder
        self._data = bytearray()
        self._coming: tuple[_Header, IO[bytes]] | None = None
        self._parts: dict[Path, list[Path]] = {}  # of files by their place, from before

    def had(self) -> Had:
        files: dict[str, Stamp] = {}
        parts: dict[str, tuple[int, int, int]] = {}
        for path in self._folder.rglob("*"):
            name = path.relative_to(self._folder)
            found = path.lstat()
            if path.name.startswith(".") and path.suffix == _PARTIAL:
                with suppress(ValueError):  # of something else
                    whole, size, time = path.stem.removeprefix(".").rsplit("_", 2)
                    self._parts.setdefault(path.with_name(whole), []).append(path)
                    parts[name.with_name(whole).as_posix()] = (int(size), int(time), found.st_size)
            elif path.is_file():
                files[name.as_posix()] = (found.st_size, found.st_mtime_ns)
        return Had(files=files, parts=parts)

    def feed(self, data: bytes) -> None:
        """Take the next part of the stream.

        Raises:
            UserError: it names a file outside the store.
        """
        self._data += data
        while self._coming or b"\n" in self._data[:_MOST_HEADER]:
            if self._coming is None:
                line, _, self._data = self._data.partition(b"\n")
                self._coming = self._begin(_header(bytes(line)))
            header, file = self._coming
            left = header.size - file.tell()
            file.write(self._data[:left])
            del self._data[:left]
            if file.tell() < header.size:
                return
            self._coming = None
            self._put_in_place(header, file)
        if len(self._data) >= _MOST_HEADER:
            raise UserError("the cluster sends what is no file of a sweep")

    def close(self) -> None:
        """Keep what has come of a file for the next time."""
        if self._coming:
            self._coming[1].close()

    def _place(self, header: _Header) -> Path:
        if not _OURS.fullmatch(header.path):
            raise UserError(
                f"the cluster sends {header.path[:80]!r}, which is no file of a sweep that comes home"
            )
        place = self._folder / header.path
        if place.parent.resolve() != self._folder.resolve() / PurePosixPath(header.path).parent:
            raise UserError(f"{place.parent} is a link to elsewhere: remove it")
        return place

    def _partial(self, header: _Header) -> Path:
        place = self._place(header)
        return place.with_name(f".{place.name}_{header.size}_{header.time}{_PARTIAL}")

    def _begin(self, header: _Header) -> tuple[_Header, IO[bytes]]:
        partial = self._partial(header)
        partial.parent.mkdir(parents=True, exist_ok=True)
        if header.begin > (partial.lstat().st_size if partial.exists() else 0):
            raise UserError(f"the cluster goes on with {header.path!r}, of which less has come")
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.fdopen(os.open(partial, flags, 0o666), "r+b")
        file.truncate(header.begin)
        file.seek(header.begin)
        return header, file

    def _put_in_place(self, header: _Header, file: IO[bytes]) -> None:
        file.close()  # without fsync: a power cut leaves a wrong size, and so it comes again
        partial, place = self._partial(header), self._place(header)
        os.utime(partial, ns=(header.time, header.time))
        partial.replace(place)
        for old in self._parts.pop(place, []):
            old.unlink(missing_ok=True)
        self.count += 1
