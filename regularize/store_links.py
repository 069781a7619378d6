"""Whoever reads or writes in a store stays in its folder, whatever links somebody put there."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from regularize.errors import UserError
from regularize.store import Store


def checked_store(store: Store) -> Store:
    """A store that is one folder.

    Raises:
        UserError: something in it is a link that leads out of it, or neither a file nor a folder.
    """
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(store.folder) as entries:
        for entry in entries:
            check_inside(store, Path(entry.path))
            if not entry.is_file() and not entry.is_dir():
                raise UserError(f"{entry.path} is neither a file nor a folder: remove it")
    return store


def check_inside(store: Store, path: Path) -> None:
    """
    Raises:
        UserError: it is a link that leads out of the store.
    """
    # `realpath` takes a link that leads to itself for what it is, where `resolve` raises.
    if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(store.folder.resolve()):
        raise UserError(
            f"{path} is a link that leads out of its sweep's folder: remove it, or put there what it has"
        )
