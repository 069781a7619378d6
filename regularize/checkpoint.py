"""A pack's state on disk: what is needed to go on as if nothing had happened.

A checkpoint is a SHA-256, then the bytes of `torch.save` that it is of. The one before it is kept
beside it: a file system that lost the end of a file with its node says nothing of it. When one is
written, `recorder` decides.
"""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path
from typing import Any

import torch

from regularize.store import PackPaths, write_bytes

_DIGEST = hashlib.sha256().digest_size


def save(path: Path, state: dict[str, Any]) -> None:
    """Tensors, numbers, strings, lists and dictionaries of them, as one whole file for `torch.load`."""
    write_bytes(path, _encoded(state))


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


def decode(data: bytes, device: torch.device | str = "cpu") -> dict[str, Any]:
    """What was kept. Nothing in it is executed."""
    state: dict[str, Any] = torch.load(io.BytesIO(data), map_location=device, weights_only=True)
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
    whole = path.read_bytes()
    digest, data = whole[:_DIGEST], whole[_DIGEST:]
    return data if hashlib.sha256(data).digest() == digest else None
