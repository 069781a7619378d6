"""Which data sets there are, and where each is found. Free of torch."""

from __future__ import annotations

import os
from pathlib import Path

from regularize.data import folders, functions, npz, parquet
from regularize.data.official import OFFICIAL
from regularize.data.plain_name import NAME, PREPARED, check_name
from regularize.data.source import MissingDataError, Source
from regularize.errors import UserError, one_of
from regularize.named_objects import is_named

VARIABLE = "REGULARIZE_DATA"


def data_root(root: Path | str | None = None) -> Path:
    """The folder of all data: `root`, else $REGULARIZE_DATA, else ~/.cache/regularize/data.

    Raises:
        UserError: nothing says where that is.
    """
    if root is None:
        cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        root = os.environ.get(VARIABLE) or Path(cache, "regularize", "data")
    try:
        return Path(root).expanduser().absolute()
    except RuntimeError:
        raise UserError(
            f"{root}: this user has no home folder; say where data are, by --data-root or ${VARIABLE}"
        ) from None


def names(root: Path | str | None = None) -> list[str]:
    """The official names and those of the user's own sets below the data root, sorted."""
    return sorted({*OFFICIAL, *own_names(root)})


def own_names(root: Path | str | None = None) -> list[str]:
    """The names of the user's own sets below the data root, sorted."""
    root = data_root(root)
    own = {path.stem for path in root.glob("*.npz")}
    own |= {path.parent.name for path in root.glob("*/train") if path.is_dir()}
    own |= {path.parent.name for path in root.glob("*/train*.parquet")}
    own |= {path.parent.parent.name for path in root.glob("*/*/train*.parquet")}
    own |= {path.parent.name for path in root.glob(f"{PREPARED}/*/meta.json")}
    return sorted(name for name in own - {PREPARED, *OFFICIAL} if NAME.fullmatch(name))


def known(name: str, root: Path | str | None = None) -> bool:
    """Whether a sweep may name it; the files of an official set need not be there yet."""
    return name in names(root)


def check_known(name: str, root: Path | str | None = None) -> None:
    """Raises `UserError` where a sweep may not name it: says what there is, and what own data look like."""
    check_name(name)
    if not known(name, root) and not is_named(name):
        raise _unknown(name, data_root(root))


def locate(name: str, root: Path) -> Source:
    """The files of a data set. An official name always means the official files.

    Raises:
        MissingDataError: they are not there; says which belong where.
        UserError: not a valid name, or one with two meanings.
    """
    if is_named(name):
        return functions.source(name)
    if name in OFFICIAL:
        try:
            return OFFICIAL[name].source(root)
        except MissingDataError as error:
            hint = f"Where there is internet, `regularize data fetch {name}` downloads them."
            if own := [path.name for path in (root / name, root / f"{name}.npz") if path.exists()]:
                hint += f" {own[0]} is not read, since {name} is the name of the official set: rename it."
            raise MissingDataError(f"{name} is not in {root}: {error}. {hint}") from None
    return _own(name, root)


def _own(name: str, root: Path) -> Source:
    check_name(name)
    folder, arrays = root / name, root / f"{name}.npz"
    if arrays.is_file() and folder.is_dir():
        raise UserError(f"data set {name!r} is both {folder} and {arrays}: rename one")
    if arrays.is_file():
        return npz.source(arrays)
    if not folder.is_dir():
        raise _unknown(name, root)
    if (folder / "train").is_dir() and parquet.holds(folder):
        raise UserError(f"{folder} has images in train/ and in Parquet files: remove one or the other")
    return parquet.source(folder) if parquet.holds(folder) else folders.source(folder)


def _unknown(name: str, root: Path) -> MissingDataError:
    """The error that names the choices, and the place and the looks of a set of one's own."""
    own = own_names(root)
    there = f"{root} has {', '.join(own)}" if own else f"{root} has no set of your own"
    return MissingDataError(
        f"unknown data set {name!r}; {one_of(name, names(root))}; {there}. {_almost(name, root)}One of your "
        f"own would be there as the folder {name}/ (train|test/<class>/<image>, or train-*.parquet and "
        f"test-*.parquet as the Hugging Face hub has them) or the file {name}.npz (as MedMNIST's)"
    )


def _almost(name: str, root: Path) -> str:
    """What is there of that name, but is not such a set."""
    alike = [path.name for path in _entries(root) if path.stem.casefold() == name.casefold()]
    if name in alike:
        return f"{root / name} is there, but has neither train/ nor train-*.parquet. "
    return f"{root / alike[0]} is there: rename it to lower-case letters, digits, - and _. " if alike else ""


def _entries(root: Path) -> list[Path]:
    return sorted(root.iterdir()) if root.is_dir() else []
