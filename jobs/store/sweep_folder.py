"""The folder of a sweep among the others, on disks too that take `C1` and `c1` for one name."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from regularize.errors import UserError
from regularize.store import Store


def sweep_folder(root: Path, name: str) -> Store:
    """The store of the sweep `name` in `root`; it need not be there yet.

    Raises:
        UserError: this disk has another sweep's in its place, whose name differs in capital letters.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        names = [path.name for path in root.iterdir()]
        other = next((found for found in names if found.casefold() == name.casefold()), None)
        if name not in names and other is not None and (root / name).exists():
            raise UserError(
                f"{root} has the folder {other}, and its disk takes {name} for the same: "
                "give one of the sweeps another name"
            )
    return checked_store(Store(root / name))


def checked_store(store: Store) -> Store:
    """A store that is one folder: whoever reads or writes in it stays there.

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
