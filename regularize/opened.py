"""The one door through which what others may have put into a store or a data root is read.

Regular files alone: a pipe would never end, nor would a device. In a store, not by way of a link: its text
might stand in a report afterwards. And not more than anybody has use for, before it fills the memory.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

MOST = 64_000_000  # bytes of a file that is read as a whole
MOST_OF_END = 8_000_000  # of a text of which the end matters


class OddFileError(OSError):
    """What has a file's name is none, or is larger than it can rightly be. Its `errno` is set."""


def opened(path: Path, *, links: bool = False) -> BinaryIO:
    """A regular file, to read. `links` are followed in data roots, where they are the owner's.

    Raises:
        OddFileError: it is a link, a pipe, a device, a folder.
        OSError: it cannot be opened.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if links else os.O_NOFOLLOW)
    try:
        number = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OddFileError(errno.ELOOP, "it is a link, which is not followed", str(path)) from None
        if error.errno == errno.ENXIO:  # a socket
            raise _no_file(path) from None
        raise
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise _no_file(path)
    return os.fdopen(number, "rb")


def read_whole(path: Path, most: int = MOST, *, links: bool = False) -> bytes:
    """
    Raises:
        OddFileError: as `opened`, and where it has more bytes than `most`.
    """
    with opened(path, links=links) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OddFileError(errno.EFBIG, f"it has more than {most / 1e6:,.0f} MB", str(path))
        return file.read(size)


def read_end(path: Path, most: int = MOST_OF_END) -> str:
    """The end of a text, whatever its encoding; all of it, unless it is long."""
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - most))
        return file.read(min(size, most)).decode(errors="replace")


def unpacked(stream: Any, most: int) -> bytes:
    """All that a compressed stream comes to.

    Raises:
        ValueError: that is more bytes than `most`.
    """
    content: bytes = stream.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it unpacks to more than {most / 1e6:,.0f} MB")
    return content


def _no_file(path: Path) -> OddFileError:
    what = "it is a folder" if path.is_dir() else "it is no regular file"
    return OddFileError(errno.EINVAL, what, str(path))
