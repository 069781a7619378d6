"""The packs' files as they are read: damaged ones are told from unreachable ones and set aside."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from regularize.errors import UserError
from regularize.store import PackPaths, Store


class DamagedFileError(Exception):
    """A Parquet file whose bytes are not what was written."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is damaged: {reason}")
        self.path = path

    def set_aside(self) -> None:
        """Rename the file to `<file>.damaged`; another process may have done so already."""
        with suppress(FileNotFoundError):
            self.path.rename(self.path.with_name(f"{self.path.name}.damaged"))


def read(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A Parquet file, its page checksums verified where it has some.

    Raises:
        DamagedFileError: the bytes are not a whole Parquet file.
        UserError: the file system does not give the bytes.
        FileNotFoundError: there is no such file.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return file.read(columns=columns)
    except FileNotFoundError:
        raise
    except (pa.ArrowInvalid, OSError) as error:
        # Arrow raises OSError for bad bytes too, but only the operating system sets `errno`.
        if isinstance(error, OSError) and error.errno:
            raise UserError(f"{path} cannot be read: {os.strerror(error.errno)}") from error
        raise DamagedFileError(path, str(error)) from error


@dataclass(frozen=True)
class PackFiles:
    """Every file of every pack, in order, from one listing of each folder."""

    paths: tuple[Path, ...]

    @classmethod
    def of(cls, store: Store) -> PackFiles:
        if not store.packs.is_dir():
            return cls(())
        folders = [entry.path for entry in os.scandir(store.packs) if entry.is_dir()]
        return cls(tuple(sorted(Path(entry.path) for folder in folders for entry in os.scandir(folder))))

    def table(self, name: str) -> list[Path]:
        """The packs' files of the table `name` (metrics, results or predictions)."""
        return [path for path in self.paths if path == getattr(PackPaths(path.parent), name)]

    def damaged(self) -> list[Path]:
        """Files that were set aside and have not been written anew since."""
        there = set(self.paths)
        return [
            path for path in self.paths if path.suffix == ".damaged" and path.with_suffix("") not in there
        ]


@dataclass(frozen=True)
class Part:
    """Where the rows of one run are."""

    path: Path
    rows: int


def parts(paths: Iterable[Path], owners: Mapping[str, Part]) -> dict[str, Part]:
    """Where each run's rows are among `paths`, by `run_id`.

    A run that was trained in two packs counts once: from the pack of its `owners` entry if that
    has it, so that all tables speak of the same training, else from the first.
    """
    found: dict[str, Part] = {}
    for path in paths:
        for count in read(path, ["run_id"])["run_id"].value_counts().to_pylist():
            owner = owners.get(count["values"])
            if count["values"] not in found or (owner and owner.path.parent == path.parent):
                found[count["values"]] = Part(path, count["counts"])
    return found
