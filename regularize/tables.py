"""Tables as Parquet: written whole with checksums of their pages and of all of it, and read by one door."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from regularize import __version__
from regularize.arrow_columns import table_of
from regularize.errors import UserError
from regularize.opened import OddFileError
from regularize.origin import git_commit
from regularize.schemas import SCHEMA_VERSION
from regularize.whole_files import CHECKSUM, UNSEALED, fits, seal, set_aside, write_whole

ROW_GROUP = 100_000  # rows
BYTES_A_VALUE = 16  # in memory, roughly: numbers take 8, short texts 20
LARGE = 500_000_000  # bytes in memory that any table may take
MOST_SWOLLEN = 200  # times the size of its file, of a larger one; those of training come to 20


class DamagedFileError(UserError):
    """A file whose bytes are not what was written; says which command makes it again."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is damaged ({reason}); {_remedy(path)}")
        self.path, self.reason = path, reason

    def set_aside(self) -> None:
        """Rename the file to `<file>.damaged`."""
        set_aside(self.path)


def _remedy(path: Path) -> str:
    if "tables" in (path.parent.name, path.parent.parent.name) and path.stem != "selection":
        return "`regularize collect` builds it anew"
    if path.suffix == ".pt":
        return "it is set aside, and `regularize submit` trains its runs again"
    if path.parent.parent.name == "packs" and path.suffix == ".parquet":
        return "`regularize collect` sets it aside, and `regularize submit` trains its runs again"
    what = "trains its runs again" if path.parent.parent.name == "packs" else "writes it anew"
    return f"`regularize submit` {what}"


def write_table(path: Path, rows: pa.Table | Sequence[Mapping[str, Any]], schema: pa.Schema) -> None:
    """Write rows (or a table) as Parquet, with the versions in the file's metadata."""
    table = rows if isinstance(rows, pa.Table) else table_of(rows, schema)
    write_batches(path, [table.select(schema.names).cast(schema)], schema)


def write_batches(path: Path, batches: Iterable[pa.Table], schema: pa.Schema, **metadata: str) -> None:
    """The same for a table that comes in parts; `metadata` comes beside the versions."""

    def write(temporary: Path) -> None:
        whole = schema.with_metadata(table_metadata())
        with (
            arrow_file(temporary, "wb") as file,
            pq.ParquetWriter(file, whole, compression="zstd", write_page_checksum=True) as writer,
        ):
            for batch in batches:
                writer.write_table(batch.replace_schema_metadata(whole.metadata), row_group_size=ROW_GROUP)
            writer.add_key_value_metadata(metadata | {CHECKSUM: UNSEALED})  # which is looked for near the end
        seal(temporary)

    write_whole(path, write)


@contextmanager
def open_table(path: Path) -> Iterator[pq.ParquetFile]:
    """A table that is whole. Also inside the block errors of reading are:

    Raises:
        DamagedFileError: the bytes are not what was written.
        UserError: the file system does not give the bytes.
        FileNotFoundError: there is no such file.
    """
    try:
        stat = path.lstat()  # a link is refused
        if reason := _wrong(path, stat.st_ino, stat.st_size, stat.st_mtime_ns):
            raise DamagedFileError(path, reason)
        with arrow_file(path) as stored, pq.ParquetFile(stored, page_checksum_verification=True) as file:
            yield file
    except FileNotFoundError:
        raise
    except OddFileError as error:
        raise DamagedFileError(path, str(error.strerror)) from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        # Arrow raises OSError for bad bytes too, but only the operating system sets `errno`.
        if isinstance(error, OSError) and error.errno:
            raise UserError(f"{path} cannot be read: {os.strerror(error.errno)}") from error
        raise DamagedFileError(path, " ".join(str(error).split())) from error


def read_table(path: Path, columns: Sequence[str] | None = None, where: Any = None) -> pa.Table:
    """A table, or some columns of it, or the rows that satisfy the condition `where`; as `open_table`."""
    with open_table(path) as file:
        if where is None:
            return file.read(columns=columns)  # `pq.read_table` would import pandas
        with arrow_file(path) as stored:
            return pq.read_table(stored, columns=columns, filters=where, page_checksum_verification=True)


def arrow_file(path: Path, mode: str = "rb") -> pa.OSFile:
    """A file by the bytes of its name: Arrow would take those of UTF-8, whatever the locale says."""
    return pa.OSFile(os.fsencode(path), mode)


def swollen(metadata: pq.FileMetaData, size: int) -> bool:
    """Whether a table of so many bytes is one that was made to fill the memory, by what its head says."""
    memory = sum(
        max(part.num_values * BYTES_A_VALUE, part.total_uncompressed_size) for part in _parts(metadata)
    )
    return bool(max(memory, metadata.num_rows) > _most(size))


def _most(size: int) -> int:
    """Bytes of memory that a table of so many bytes may take."""
    return max(LARGE, MOST_SWOLLEN * size)


def _parts(metadata: pq.FileMetaData) -> Iterator[Any]:
    """The columns of all row groups."""
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        yield from (row_group.column(column) for column in range(metadata.num_columns))


@lru_cache(maxsize=1024)
def _wrong(path: Path, _inode: int, size: int, _time: int) -> str:
    """Why a table is not to be read; looked at from end to end once a process, while the file is the same."""
    if not fits(path):
        return "its checksum does not fit"
    with arrow_file(path) as stored, pq.ParquetFile(stored) as file:
        if swollen(file.metadata, size) or _text_bytes(path, file.metadata) > _most(size):
            return "it would take far more memory than a table of its size"
    return ""


def _text_bytes(path: Path, metadata: pq.FileMetaData) -> int:
    """How long the texts are of columns in which one that is stored once may stand in every row."""
    most: Counter[str] = Counter()
    for part in _parts(metadata):
        if part.physical_type == "BYTE_ARRAY":
            most[part.path_in_schema] += part.num_values * part.total_uncompressed_size
    doubtful = [name for name, size in most.items() if size > LARGE]
    if not doubtful:
        return 0
    with (
        arrow_file(path) as stored,
        pq.ParquetFile(stored, read_dictionary=doubtful, page_checksum_verification=True) as file,
    ):
        return sum(map(_length, file.read(columns=doubtful).columns))


def _length(column: pa.ChunkedArray) -> int:
    import pyarrow.compute as pc  # which every command would wait for

    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = (pc.binary_length(chunk.dictionary).take(chunk.indices) for chunk in column.chunks)
    return sum(pc.sum(each.cast(pa.int64())).as_py() or 0 for each in lengths)


def table_metadata() -> dict[str, str]:
    """What every Parquet file says of its origin."""
    return {"schema_version": SCHEMA_VERSION, "package_version": __version__, "git_commit": git_commit()}
