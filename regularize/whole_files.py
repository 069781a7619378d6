"""Files that are written whole, say of themselves whether they still are, and fail in one clear line.

All writes go to a unique temporary name in the same folder, are fsynced, and then renamed: a reader sees
the old file or the new one, never a part. Every table and every JSON object carries a checksum of all
the rest of it: a flipped bit is noticed wherever it is. Files without one are of earlier versions.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import sys
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from regularize.errors import NoSpaceError, UserError
from regularize.opened import opened, read_whole

CHECKSUM = "sealed"  # `checksum` is what `meta.json` calls that of its arrays
"""The name of the checksum in a JSON object and in a table's metadata."""

UNSEALED = f"blake2b:{'0' * 32}"
"""What stands in a file in the place of its checksum before that is known."""

_LIST = "list"
MOST_VALUES = 2_000_000  # of a JSON text: a list of nothing takes twenty times the memory of its text
_SEAL = re.compile(rb"blake2b:[0-9a-f]{32}")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_TAIL = 65_536  # bytes at a file's end in which its checksum is looked for
_CHUNK = 1 << 20
_ERRORS_OF_ARCHIVES = (
    zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError, KeyError, OverflowError
)  # fmt: skip


def write_whole(path: Path, write: Callable[[Path], object], *, make_folder: bool = True) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in place at once.

    A failure leaves `path` as it was and no temporary file behind. Without `make_folder` it is one that the
    folder is gone: whoever has removed it is not to find it again.

    Raises:
        NoSpaceError: the disk or the user's quota is full.
        UserError: the file cannot be written for another reason.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    try:
        with naming_failures(path):
            if make_folder:
                path.parent.mkdir(parents=True, exist_ok=True)
            write(temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def naming_failures(path: Path) -> Iterator[None]:
    """Tell a person which file could not be written, and why.

    Raises:
        NoSpaceError: the disk, its inodes or the user's quota are used up.
        UserError: what else the system says: no permission, a read-only disk, a file in a folder's place.
    """
    try:
        with naming_full_disk(path):
            yield
    except OSError as error:
        if error.errno is None:
            raise
        raise UserError(f"{path} cannot be written: {os.strerror(error.errno)}") from None


@contextmanager
def naming_full_disk(path: Path) -> Iterator[None]:
    """The same where other errors are not of writing.

    Raises:
        NoSpaceError: the disk, its inodes or the user's quota are used up.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            what = "no space left" if error.errno == errno.ENOSPC else "the quota leaves no space"
            raise NoSpaceError(f"{what} to write {path}; what stood there is kept") from None
        raise


def write_bytes(path: Path, *parts: bytes) -> None:
    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.writelines(parts)

    write_whole(path, write)


def write_text(path: Path, text: str, *, make_folder: bool = True) -> None:
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"), make_folder=make_folder)


def write_json(path: Path, value: Mapping[str, Any] | Sequence[Any], *, make_folder: bool = True) -> None:
    """Write an object, with its checksum; a list as an object that has nothing else."""
    whole = value if isinstance(value, Mapping) else {_LIST: value}
    text = json.dumps(sealed(whole), indent=1, sort_keys=True) + "\n"
    write_text(path, text, make_folder=make_folder)


def read_json(path: Path) -> Any:
    """
    Raises:
        ValueError: the file is not whole.
        OSError: there is none, or what is there is no file of ours (`opened`).
    """
    value = unsealed(parsed(read_whole(path)))
    return value[_LIST] if isinstance(value, dict) and value.keys() == {_LIST} else value


def parsed(text: bytes, most: int = MOST_VALUES) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is none, nested too deeply, or of more values than `most`.
    """
    if _values(text) > most and _values(_STRING.sub(b"", text)) > most:
        raise ValueError(f"it holds more than {most:,} values")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _values(text: bytes) -> int:
    """Of a JSON text, roughly; what stands within its strings is counted, too."""
    return sum(map(text.count, (b",", b"[", b"{")))


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object with the checksum of all else in it."""
    as_read = json.loads(json.dumps(value))  # keys are text, tuples lists
    return {**value, CHECKSUM: _digest_of(as_read)}


def unsealed(value: Any) -> Any:
    """A JSON value without its checksum, if it is an object that has one.

    Raises:
        ValueError: it is not what the checksum is of.
    """
    if not isinstance(value, dict) or CHECKSUM not in value:
        return value
    rest = {key: inner for key, inner in value.items() if key != CHECKSUM}
    if value[CHECKSUM] != _digest_of(rest):
        raise ValueError("its checksum does not fit")
    return rest


def _digest_of(as_read: Mapping[str, Any]) -> str:
    text = json.dumps(as_read, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def seal(path: Path) -> None:
    """Put the checksum of all the rest of a file in the place of its last `UNSEALED`."""
    with path.open("rb+") as file:
        place, _ = _checksum_in(file)
        assert place is not None, f"{path} holds no {UNSEALED}"
        checksum = _checksum_around(file, place)
        file.seek(place)
        file.write(checksum)


def fits(path: Path) -> bool:
    """Whether a file is what its checksum is of; True where it has none."""
    with opened(path) as file:
        place, said = _checksum_in(file)
        return place is None or said == _checksum_around(file, place)


def _checksum_in(file: BinaryIO) -> tuple[int | None, bytes]:
    """Where the checksum of a file is, and what it says."""
    begin = max(0, file.seek(0, os.SEEK_END) - _TAIL)
    file.seek(begin)
    found = list(_SEAL.finditer(file.read()))
    return (begin + found[-1].start(), found[-1][0]) if found else (None, b"")


def _checksum_around(file: BinaryIO, place: int) -> bytes:
    """Of all of a file but for the checksum at `place`."""
    digest = hashlib.blake2b(digest_size=16)
    file.seek(0)
    while chunk := file.read(min(_CHUNK, place - file.tell())):
        digest.update(chunk)
    file.seek(place + len(UNSEALED))
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return f"blake2b:{digest.hexdigest()}".encode()


def archive_damage(path: Path) -> str:
    """What is wrong with an archive of `torch.save`; `` if nothing is. It is not unpickled.

    torch itself would load flipped bits without a word.
    """
    try:
        with opened(path) as file, zipfile.ZipFile(file) as archive:
            if sum(member.file_size for member in archive.infolist()) > 2 * file.seek(0, os.SEEK_END):
                return "it would unpack to far more than it is"  # torch stores what it saves as it is
            member = archive.testzip()
    except _ERRORS_OF_ARCHIVES as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # a place before the file
            raise
        return " ".join(str(error).split()) or type(error).__name__
    return f"the checksum of {member} is wrong" if member else ""


def stats_in(folder: Path) -> dict[str, os.stat_result]:
    """What stands in a folder, by name, links as links; empty where there is no folder.

    Without what is gone meanwhile, as temporary files of those who write there are.
    """
    found: dict[str, os.stat_result] = {}
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                found[entry.name] = entry.stat(follow_symlinks=False)
    return found


def names_in(folder: Path) -> list[str]:
    """What stands in a folder, by name alone; nothing where there is no folder."""
    with suppress(FileNotFoundError):
        return [path.name for path in folder.iterdir()]
    return []


def aside(path: Path) -> Path:
    """Where a damaged file goes, to be looked at by a person."""
    return path.with_name(f"{path.name}.damaged")


def set_aside(path: Path) -> None:
    """Rename a damaged file; another process may have done so already."""
    with naming_failures(path), suppress(FileNotFoundError):
        path.rename(aside(path))


def warn(text: str) -> None:
    """A line on stderr: something was not as it should be, and what is done about it."""
    print(f"warning: {text}", file=sys.stderr, flush=True)
