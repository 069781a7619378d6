"""Copies of prepared data on a disk of the node itself, so that training reads nothing over the network.

<scratch>/regularize-<user's number>/<data root>/prepared/<name>/     as below a data root
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from regularize.data.corrupted import places
from regularize.data.form import Form
from regularize.data.plain_name import PREPARED
from regularize.data.prepare import AS_IT_IS, alone, prepared
from regularize.data.registry import data_root
from regularize.data.stored import ARRAYS, Prepared, write_meta
from regularize.errors import UserError
from regularize.store import write_whole


def staged(name: str, root: Path | str | None, scratch: Path, form: Form = AS_IT_IS) -> Path:
    """A data root on the node that has the data set, copied from `root` unless it is there already.

    `~` and variables in `scratch` are this node's. Any number of processes may call this at once;
    one copies and the others wait.

    Raises:
        UserError: `scratch` cannot be written or has no room, is somebody else's, or as `prepared`.
    """
    ready = prepared(name, root, form, checked=False)  # or each process would read it over the network
    near = _folder(scratch) / hashlib.blake2b(bytes(data_root(root)), digest_size=8).hexdigest()
    try:
        copy = replace(ready, folder=near / PREPARED / ready.folder.name)
        with alone(copy.folder):
            write_meta(copy if copy.sound() else _copied(prepared(name, root, form), copy.folder))
        _link(places(name, data_root(root)), near)
    except OSError as error:
        raise UserError(f"cannot copy {name} to {near}: {error.strerror or error}") from error
    return near


def _folder(scratch: Path) -> Path:
    """This user's folder there; what others may have put into a shared one is never read."""
    try:
        folder = Path(os.path.expandvars(scratch.expanduser())) / f"regularize-{os.getuid()}"
    except RuntimeError:
        raise UserError(f"scratch is {scratch}, but this user has no home folder") from None
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.stat(follow_symlinks=False)
    except OSError as error:
        raise UserError(f"scratch is {scratch}, but {folder}: {error.strerror or error}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise UserError(f"scratch is {scratch}, but {folder} is not a folder")
    if status.st_uid != os.getuid():
        raise UserError(f"scratch is {scratch}, but {folder} is somebody else's")
    return folder


def _copied(ready: Prepared, folder: Path) -> Prepared:
    near = replace(ready, folder=folder)
    for array in ARRAYS:
        write_whole(near.path(array), partial(shutil.copyfile, ready.path(array)))
    return near


def _link(folders: Sequence[Path], near: Path) -> None:
    """Let corrupted copies of the test part, of which little is ever read, be found from there."""
    for folder in folders:
        link = near / folder.name
        if folder.is_dir() and not link.is_symlink():
            with suppress(FileExistsError):  # somebody else was faster
                link.symlink_to(folder)
