"""One file of collected rows, brought up to date: what it has of packs that are as they were is kept.

A file says in its metadata which runs' rows it has of which pack's file. So a pack's file is read once, when
it is new, and a file of a cell is written only where one of its packs has changed.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from analysis.tables.pack_files import Pack
from analysis.tables.readable_rows import READABLE, in_order, readable_schema, rows_of
from regularize import __version__
from regularize.awaited import each_of
from regularize.store import SCHEMA_VERSION, DamagedFileError, open_table, read_table, write_batches
from regularize.typed import checked
from regularize.whole_files import warn

_FILES_TOGETHER = 100
_RUNS_AT_ONCE = 500  # whose rows are held in memory, whatever the size of a cell


class VanishedError(Exception):
    """Another collect has set aside what was to be read, or written it anew."""


@dataclass(frozen=True)
class Record:
    """What a file says of itself: of which `kind` its rows are, what is read of its runs, and by pack file
    (its pack's id, size, time and inode) whose rows come from it."""

    kind: str = ""
    runs: str = ""
    sources: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path) -> Record:
        """That of a file; an empty one if there is no readable file."""
        try:
            with open_table(path) as file:
                metadata: dict[bytes, bytes] = file.metadata.metadata or {}
            return checked(cls(**json.loads(metadata.get(b"sources", b"{}"))))
        except FileNotFoundError:
            return cls()
        except (ValueError, TypeError):  # of an earlier version
            return cls()
        except DamagedFileError as error:
            warn(f"{path} was damaged ({error.reason}): it is built anew")
            return cls()

    def text(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class RowsFile:
    """A file of the table `name`, with the rows of some `runs`, which are in the order of the rows."""

    path: Path
    name: str
    schema: pa.Schema
    within: Sequence[str]
    runs: pa.Table

    def update(self, owners: Mapping[str, Pack], *, always: bool = False) -> bool:
        """Whether it had to be written, or removed, as without `always` a file without rows is.

        Args:
            owners: by run, where its rows are.

        Raises:
            DamagedFileError: a pack's file is.
        """
        by_pack: dict[str, list[str]] = defaultdict(list)
        for run_id in self.runs["run_id"].to_pylist():
            if run_id in owners:
                by_pack[owners[run_id].files.folder.name].append(run_id)
        packs = {owners[runs[0]].files.folder.name: owners[runs[0]] for runs in by_pack.values()}
        if not packs and not always:
            there = self.path.exists()
            self.path.unlink(missing_ok=True)
            return there
        files = {self._source(pack): pack.files.folder / f"{self.name}.parquet" for pack in packs.values()}
        sources = {self._source(packs[name]): runs for name, runs in by_pack.items()}
        stamp = self._stamp()
        record, before = Record(self._kind(), _digest(self.runs), sources), Record.of(self.path)
        if before == record:
            return False
        kept = before.sources if before.kind == record.kind else {}
        old = {source: set(runs).intersection(kept.get(source, ())) for source, runs in sources.items()}
        new = {files[source]: set(runs) - old[source] for source, runs in sources.items()}
        batches = self._batches(set().union(*old.values()), new, stamp)
        write_batches(self.path, batches, readable_schema(self.schema), sources=record.text())
        return True

    def _source(self, pack: Pack) -> str:
        return " ".join(map(str, (pack.files.folder.name, *pack.files.stamps[f"{self.name}.parquet"])))

    def _kind(self) -> str:
        """What a file has to be of so that its rows can be kept."""
        whole = f"{SCHEMA_VERSION} {__version__} {self.schema}"
        return hashlib.blake2b(whole.encode(), digest_size=8).hexdigest()

    def _stamp(self) -> tuple[int, int]:
        """Of the file as it is now; zeros where there is none."""
        try:
            stat = self.path.lstat()
        except FileNotFoundError:
            return 0, 0
        return stat.st_ino, stat.st_mtime_ns

    def _batches(
        self, old: set[str], new: Mapping[Path, set[str]], stamp: tuple[int, int]
    ) -> Iterator[pa.Table]:
        """The rows in their final order, those of so many runs at a time.

        Args:
            old: runs of which the file of that `stamp` has the rows.
            new: by pack file, the runs that are read from it.
        """
        paths = {run_id: path for path, runs in new.items() for run_id in runs}
        size = len(self.runs) if self.name == "results" else _RUNS_AT_ONCE
        for start in range(0, len(self.runs), size or 1):
            runs = self.runs.slice(start, size)
            run_ids = runs["run_id"].to_pylist()
            by_path: dict[Path, list[str]] = defaultdict(list)
            for run_id in run_ids:
                if run_id in paths:
                    by_path[paths[run_id]].append(run_id)
            try:
                pieces = list(self._read(list(by_path.items())))
                if kept := [run_id for run_id in run_ids if run_id in old]:
                    pieces.append(self._kept(runs, kept))
                    if self._stamp() != stamp:
                        raise VanishedError(self.path)
            except FileNotFoundError as error:  # of what is read, not of what is written
                raise VanishedError(*error.args) from None
            if pieces:
                rows = pa.concat_tables(pieces).combine_chunks()
                pieces.clear()  # whose rows are in memory twice by now
                yield in_order([rows], runs, self.within)

    def _read(self, files: Sequence[tuple[Path, Sequence[str]]]) -> Iterator[pa.Table]:
        """The rows of packs' files: thousands of tables of a few rows would take far more than their rows."""
        found = each_of(files, lambda file: rows_of(*file, self.schema))
        while some := list(islice(found, _FILES_TOGETHER)):
            yield pa.concat_tables(some).combine_chunks()

    def _kept(self, runs: pa.Table, run_ids: Sequence[str]) -> pa.Table:
        """Rows that the file has; those of other seeds are skipped by its row groups."""
        seeds = pc.min_max(runs["seed"]).as_py()
        where = pc.field("run_id").isin(pa.array(run_ids, pa.string()))
        if self.name != "results":  # which is in another order, and read at once
            where &= (pc.field("seed") >= seeds["min"]) & (pc.field("seed") <= seeds["max"])
        table = read_table(self.path, self.schema.names, where)
        return table.select(self.schema.names).cast(self.schema).replace_schema_metadata()


def _digest(runs: pa.Table) -> str:
    """Changes with the runs and what people read of them."""
    digest = hashlib.blake2b(digest_size=8)
    for name in ("run_id", *READABLE):  # one after the other, as a hundred thousand runs take memory
        digest.update(repr(runs[name].to_pylist()).encode())
    return digest.hexdigest()
