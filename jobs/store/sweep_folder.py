"""The folder of a sweep among the others, on disks too that take `C1` and `c1` for one name."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from regularize.errors import UserError
from regularize.store import Store
from regularize.store_links import checked_store


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
