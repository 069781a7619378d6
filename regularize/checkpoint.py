"""A pack's state on disk: what is needed to go on as if nothing had happened.

A checkpoint is a SHA-256, then the bytes of `torch.save` that it is of. The one before it is kept
beside it: a file system that lost the end of a file with its node says nothing of it. When one is
written, `recorder` decides.
"""

from __future__ import annotations

import hashlib
import io
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from regularize.opened import opened, read_whole
from regularize.store import DamagedFileError, PackPaths, write_bytes
from regularize.whole_files import archive_damage

MOST_BYTES = 50_000_000_000  # of a checkpoint
_DIGEST = hashlib.sha256().digest_size


def save(path: Path, state: dict[str, Any]) -> None:
    """Tensors, numbers, strings, lists and dictionaries of them, as one whole file for `torch.load`."""
    write_bytes(path, _encoded(state))


def load(path: Path) -> dict[str, Any]:
    """What `save` wrote, on the CPU. Nothing in it is executed.

    Raises:
        DamagedFileError: the file is not what was written; it is set aside.
        FileNotFoundError: there is none.
    """
    # torch itself would load flipped bits without a word, and give as much memory as it is asked for.
    reason = archive_damage(path) or _asks_for(path)
    if not reason:
        try:
            with warnings.catch_warnings(action="ignore"):  # of torch, on pickles that are not its own
                state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            return state
        except Exception as error:  # of many kinds, by what its pickle says
            if isinstance(error, OSError):
                raise
            reason = " ".join(str(error).splitlines()[:2]).strip() or type(error).__name__
    damaged = DamagedFileError(path, reason)
    damaged.set_aside()
    raise damaged


def _asks_for(path: Path) -> str:
    """Of the little that `weights_only` lets a pickle call, what no network needs; `` if nothing."""
    with opened(path) as file, zipfile.ZipFile(file) as archive:
        pickles = [archive.read(name) for name in archive.namelist() if name.endswith("data.pkl")]
    return (
        "it asks for bytearray, which no network needs"
        if any(b"bytearray" in text for text in pickles)
        else ""
    )


def keep(paths: PackPaths, state: dict[str, Any]) -> None:
    """Make `state` the pack's checkpoint, and its checkpoint so far the previous one.

    Raises:
        NoSpaceError: the disk is full; the pack's checkpoint is the one that it was.
    """
    data = _encoded(state)
    write_bytes(paths.next_checkpoint, hashlib.sha256(data).digest(), data)
    if paths.checkpoint.exists():
        paths.checkpoint.replace(paths.previous_checkpoint)
    paths.next_checkpoint.replace(paths.checkpoint)


def latest(paths: PackPaths) -> bytes | None:
    """The pack's newest checkpoint that is whole, for `decode`; None if there is none.

    A damaged one is set aside and named on stderr, and the previous one taken.
    """
    damaged = False
    for path in (paths.checkpoint, paths.previous_checkpoint):
        if not path.exists():
            continue
        if data := _verified(path):
            if damaged:
                print(f"warning: going on from {path}", file=sys.stderr)
            return data
        damaged = True
        print(f"warning: {path} is damaged (its checksum does not fit) and set aside", file=sys.stderr)
        path.replace(paths.damaged_checkpoint)
    if damaged:
        print(f"warning: no checkpoint of {paths.folder.name} is whole: it starts again", file=sys.stderr)
    return None


def decode(data: bytes) -> dict[str, Any]:
    """What was kept, on the CPU. Nothing in it is executed."""
    state: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return state


def drop(paths: PackPaths) -> None:
    """Remove what was kept of a pack that is done."""
    kept = (paths.checkpoint, paths.previous_checkpoint, paths.next_checkpoint, paths.damaged_checkpoint)
    for path in kept:
        path.unlink(missing_ok=True)


def _encoded(state: dict[str, Any]) -> bytes:
    # By way of memory: of a full disk torch.save would only say that writing failed.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _verified(path: Path) -> bytes | None:
    whole = read_whole(path, MOST_BYTES)
    digest, data = whole[:_DIGEST], whole[_DIGEST:]
    return data if hashlib.sha256(data).digest() == digest else None
