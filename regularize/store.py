"""The sweep's folder on shared storage: every file name, whole-file writes. Schemas are in `schemas.py`.

Free of torch. All writes go to a unique temporary name in the same folder, are fsynced, and
then renamed: a reader sees the old file or the new one, never a part.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from regularize import __version__
from regularize.errors import NoSpaceError
from regularize.schemas import (
    CORRUPTIONS,
    METRICS,
    PREDICTIONS,
    RESULTS,
    ROBUSTNESS,
    RUNS,
    SCHEMA_VERSION,
    SPECTRA,
)

__all__ = [
    "CORRUPTIONS",
    "METRICS",
    "PREDICTIONS",
    "RESULTS",
    "ROBUSTNESS",
    "RUNS",
    "SCHEMA_VERSION",
    "SPECTRA",
]

ORIGIN = "snapshot.json"
"""Beside the packages, where the code is a copy of a checkout: which commit it was."""

PARQUET: dict[str, Any] = {"compression": "zstd", "row_group_size": 100_000, "write_page_checksum": True}
"""How every table is written; without the checksums most flipped bytes would be read as values."""


@dataclass(frozen=True, kw_only=True)
class PackStatus:
    """What `status.json` says of a pack; written at its start, every few seconds, and at its end.

    `state` is running, interrupted (a checkpoint waits to be continued), done or failed; a done
    pack's runs are done but for those in `diverged`. Times are UTC, ISO 8601.
    """

    state: str
    runs: tuple[str, ...]
    step: int
    steps: int
    epoch: int
    epochs: int
    seconds: float  # training time so far, over all attempts
    started_at: str
    updated_at: str
    host: str
    pid: int
    diverged: tuple[str, ...] = ()
    did_nothing: tuple[str, ...] = ()  # of a finished pack: runs with a penalty without effect
    evaluation_seconds: float = 0.0  # beside `seconds`
    job: str = ""  # what trains it on a cluster, as its log is named: array, element, process
    code: str = ""  # that has trained it (`regularize.code_identity`), joined by + where it is several
    data: str = ""  # content of its data set (`Dataset.content_hash`)

    def write(self, path: Path) -> None:
        write_json(path, dataclasses.asdict(self))

    @classmethod
    def read(cls, path: Path) -> PackStatus:
        value = read_json(path)
        lists = ("runs", "diverged", "did_nothing")
        return cls(**value | {name: tuple(value.get(name, ())) for name in lists})


@dataclass(frozen=True)
class PackPaths:
    """The files of one pack."""

    folder: Path

    @property
    def status(self) -> Path:
        return self.folder / "status.json"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.parquet"

    @property
    def curves(self) -> Path:
        """The metrics so far, there only until the pack is done."""
        return self.folder / "curves.parquet"

    @property
    def results(self) -> Path:
        return self.folder / "results.parquet"

    @property
    def predictions(self) -> Path:
        return self.folder / "predictions.parquet"

    @property
    def spectra(self) -> Path:
        return self.folder / "spectra.parquet"

    @property
    def robustness(self) -> Path:
        """There only where the sweep asks for it."""
        return self.folder / "robustness.parquet"

    @property
    def corruptions(self) -> Path:
        """There only where the sweep asks for it."""
        return self.folder / "corruptions.parquet"

    @property
    def weights(self) -> Path:
        return self.folder / "weights.pt"

    @property
    def snapshots(self) -> Path:
        """There only where the sweep asks for it."""
        return self.folder / "snapshots.pt"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    @property
    def previous_checkpoint(self) -> Path:
        return self.folder / "checkpoint.previous.pt"

    @property
    def next_checkpoint(self) -> Path:
        """There only while checkpoints change places."""
        return self.folder / "checkpoint.next.pt"

    @property
    def damaged_checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt.damaged"

    @property
    def error(self) -> Path:
        return self.folder / "error.txt"


@dataclass(frozen=True)
class Store:
    """A sweep's folder; the one home of its paths."""

    folder: Path

    @property
    def sweep(self) -> Path:
        return self.folder / "sweep.yaml"

    @property
    def provenance(self) -> Path:
        return self.folder / "provenance.json"

    def diff(self, digest: str) -> Path:
        """What differed from the commit in a submission; by its hash."""
        return self.folder / f"{digest}.diff"

    @property
    def runs(self) -> Path:
        return self.folder / "runs.parquet"

    @property
    def submission(self) -> Path:
        """Cluster and data root of the last submission."""
        return self.folder / "submission.json"

    @property
    def journal(self) -> Path:
        return self.folder / "journal.jsonl"

    @property
    def lock(self) -> Path:
        return self.folder / "submit.lock"

    @property
    def packs(self) -> Path:
        return self.folder / "packs"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def tables(self) -> Path:
        """The packs' tables brought together, `runs` and `selection`: what analysis reads."""
        return self.folder / "tables"

    @property
    def figures(self) -> Path:
        return self.folder / "figures"

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    def code(self, name: str) -> Path:
        """The sources of that name, by `regularize.code_identity`: an archive."""
        return self.folder / "code" / f"{name}.zip"

    def data(self, name: str) -> Path:
        """What is said of the data set whose content has that hash: plain values."""
        return self.folder / "data" / f"{name}.json"

    @property
    def accepted(self) -> Path:
        """Which other code and data were accepted beside those of today, and how."""
        return self.folder / "accepted.json"

    @property
    def replaced(self) -> Path:
        """Packs that were trained again since their code or data had changed, by pack id and number."""
        return self.folder / "replaced"

    def pack(self, pack_id: str) -> PackPaths:
        return PackPaths(self.packs / pack_id)

    def table(self, name: str) -> Path:
        return self.tables / f"{name}.parquet"


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in place at once.

    A failure leaves `path` as it was and no temporary file behind.

    Raises:
        NoSpaceError: the disk or the user's quota is full.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    try:
        with naming_full_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write(temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def naming_full_disk(path: Path) -> Iterator[None]:
    """Tell a person which file found no place.

    Raises:
        NoSpaceError: the disk or the user's quota is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpaceError(f"no space left to write {path}; what stood there is kept") from None
        raise


def write_bytes(path: Path, *parts: bytes) -> None:
    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.writelines(parts)

    write_whole(path, write)


def write_text(path: Path, text: str) -> None:
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_table(path: Path, rows: pa.Table | Sequence[Mapping[str, Any]], schema: pa.Schema) -> None:
    """Write rows (or a table) as Parquet, with the versions in the file's metadata."""
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(list(rows), schema=schema)
    table = table.select(schema.names).cast(schema).replace_schema_metadata(table_metadata())
    write_whole(path, lambda temporary: pq.write_table(table, temporary, **PARQUET))


def table_metadata() -> dict[str, str]:
    """What every Parquet file says of its origin."""
    return {"schema_version": SCHEMA_VERSION, "package_version": __version__, "git_commit": git_commit()}


@cache
def git_commit() -> str:
    """The commit of the code that runs, `` where it is neither in a checkout nor a copy of one."""
    folder = Path(__file__).parent
    with suppress(OSError, ValueError, KeyError):
        return str(read_json(folder.parent / ORIGIN)["commit"])
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        return done.stdout.strip()
    return ""
