"""Whether the files of a data set are as they were when they were decoded.

A look at one file, or a few, is at their sizes and times. A folder of 100,000 images is not looked
through for every pack: adding, removing and replacing files changes the times of their folders, which
are few, and files that are overwritten where they are show in a sample of `SAMPLE` of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from regularize.data.source import Source

SAMPLE = 256  # files that are looked at of a folder of many
Looks = Mapping[str, Sequence[int]]  # path below the data root → size and times


def first_look(source: Source, files: Sequence[Path], root: Path) -> Looks:
    """The state of the watched paths and, where these are not all there is, of folders and a sample."""
    paths = set(source.watched)
    if not paths.issuperset(files):
        paths |= {path.parent for path in files} | set(files[:: max(1, len(files) // SAMPLE)])
    return {_name(path, root): _state(path) for path in sorted(paths)}


def unchanged(looked: Looks, source: Source, root: Path) -> bool:
    """Whether all that was looked at is as it was, and the set is made of the same files or folders."""
    if not {_name(path, root) for path in source.watched} <= looked.keys():
        return False
    try:
        return all(_state(root / name) == list(state) for name, state in looked.items())
    except OSError:
        return False


def identity(files: Iterable[Path], root: Path) -> str:
    """16 hex digits that stand for the names, sizes and times of all files."""
    digest = hashlib.blake2b(digest_size=8)
    for path in files:
        digest.update(f"{_name(path, root)}/{_state(path)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _name(path: Path, root: Path) -> str:
    return str(path).removeprefix(f"{root}/")


def _state(path: Path) -> list[int]:
    """Size, and the times of the last change of its content and of its name, owner or rights."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
