"""Which data sets there are, and where each is found. Free of torch."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from regularize.data import cifar, class_names, clusters, digits, folders, idx, npz
from regularize.data.source import Facts, MissingDataError, Source
from regularize.errors import UserError, one_of

VARIABLE = "REGULARIZE_DATA"
PREPARED = "prepared"  # the folder of the decoded sets, so not a name for one
NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True, kw_only=True)
class Official:
    """A data set of the literature. `torchvision` is its class there, None: nothing to download.

    `class_names` are empty where classes have numbers only.
    """

    facts: Facts
    source: Callable[[Path], Source]
    torchvision: str | None
    class_names: tuple[str, ...] = ()


OFFICIAL: dict[str, Official] = {
    "clusters": Official(
        facts=Facts(train=512, test=512, classes=4, side=1, channels=2),
        source=lambda root: clusters.source(),
        torchvision=None,
    ),
    "digits": Official(
        facts=Facts(train=1437, test=360, classes=10, side=28, channels=1),
        source=lambda root: digits.source(),
        torchvision=None,
    ),
    "mnist": Official(
        facts=Facts(train=60_000, test=10_000, classes=10, side=28, channels=1),
        source=partial(idx.source, layout=idx.MNIST),
        torchvision="MNIST",
    ),
    "fashion_mnist": Official(
        facts=Facts(train=60_000, test=10_000, classes=10, side=28, channels=1),
        source=partial(idx.source, layout=idx.FASHION_MNIST),
        torchvision="FashionMNIST",
        class_names=class_names.FASHION_MNIST,
    ),
    "cifar10": Official(
        facts=Facts(train=50_000, test=10_000, classes=10, side=32, channels=3),
        source=partial(cifar.source, layouts=cifar.CIFAR10),
        torchvision="CIFAR10",
        class_names=class_names.CIFAR10,
    ),
    "cifar100": Official(
        facts=Facts(train=50_000, test=10_000, classes=100, side=32, channels=3),
        source=partial(cifar.source, layouts=cifar.CIFAR100),
        torchvision="CIFAR100",
        class_names=class_names.CIFAR100,
    ),
}


def data_root(root: Path | str | None = None) -> Path:
    """The folder of all data: `root`, else $REGULARIZE_DATA, else ~/.cache/regularize/data."""
    if root is None:
        cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        root = os.environ.get(VARIABLE) or Path(cache, "regularize", "data")
    return Path(root).expanduser().absolute()


def names(root: Path | str | None = None) -> list[str]:
    """The official names and those of the user's own sets below the data root, sorted."""
    root = data_root(root)
    own = {path.stem for path in root.glob("*.npz")}
    own |= {path.parent.name for path in root.glob("*/train") if path.is_dir()}
    own |= {path.parent.name for path in root.glob(f"{PREPARED}/*/meta.json")}
    return sorted({*OFFICIAL, *(name for name in own - {PREPARED} if NAME.fullmatch(name))})


def known(name: str, root: Path | str | None = None) -> bool:
    """Whether a sweep may name it; the files of an official set need not be there yet."""
    return name in names(root)


def locate(name: str, root: Path) -> Source:
    """The files of a data set. An official name always means the official files.

    Raises:
        MissingDataError: they are not there; says which belong where.
        UserError: not a valid name, or one with two meanings.
    """
    if name in OFFICIAL:
        try:
            return OFFICIAL[name].source(root)
        except MissingDataError as error:
            hint = f"Where there is internet, `regularize data fetch {name}` downloads them."
            raise MissingDataError(f"{name} is not in {root}: {error}. {hint}") from None
    return _own(name, root)


def _own(name: str, root: Path) -> Source:
    if name == PREPARED or not NAME.fullmatch(name):
        raise UserError(f"{name!r} cannot name a data set: lower-case letters, digits, - and _ do")
    folder, arrays = root / name, root / f"{name}.npz"
    if arrays.is_file() and folder.is_dir():
        raise UserError(f"data set {name!r} is both {folder} and {arrays}: rename one")
    if arrays.is_file():
        return npz.source(arrays)
    if folder.is_dir():
        return folders.source(folder)
    raise MissingDataError(
        f"unknown data set {name!r}; {one_of(name, names(root))}. "
        f"One of your own would be the folder {folder} (train|test/<class>/<image>) or the file {arrays}"
    )
