"""The data sets of the literature: what each has, where its files lie, what downloads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from regularize.data import cifar, class_names, clusters, digits, idx, svhn, usps
from regularize.data.source import Facts, Source

INCLUDED = ("clusters", "digits")  # nothing to download
Download = tuple[str, Mapping[str, str | bool]]  # torchvision's class, and what it is told


@dataclass(frozen=True, kw_only=True)
class Official:
    """A data set of the literature; `class_names` are empty where classes have numbers only.

    Words for people are its `files`, and by what they are `checked`.
    """

    facts: Facts
    source: Callable[[Path], Source]
    files: str
    checked: str
    downloads: Sequence[Download] = ()
    class_names: tuple[str, ...] = ()


def _idx(layout: idx.Layout, *downloads: Download, names: tuple[str, ...] = (), **sizes: int) -> Official:
    facts = {"train": 60_000, "test": 10_000, "classes": layout.classes, "side": 28, "channels": 1} | sizes
    return Official(
        facts=Facts(**facts),
        source=partial(idx.source, layout=layout),
        files=f"`{layout.folder}/{layout.names[0]}` …, plain or .gz",
        checked="MD5 of the content" if layout.md5 else "MD5 of .gz; numbers" if layout.gz_md5 else "numbers",
        downloads=downloads,
        class_names=names,
    )


def _emnist(
    split: str, train: int, test: int, *, classes: int, first: int = 0, names: tuple[str, ...] = ()
) -> Official:
    layout = idx.emnist(split, classes, first)
    return _idx(layout, ("EMNIST", {"split": split}), names=names, train=train, test=test)


def _cifar(layouts: tuple[cifar.Layout, ...], kind: str, names: tuple[str, ...]) -> Official:
    classes = layouts[0].classes
    return Official(
        facts=Facts(train=50_000, test=10_000, classes=classes, side=32, channels=3),
        source=partial(cifar.source, layouts=layouts),
        files=", ".join(f"`{layout.folder}/` or `{layout.archive}`" for layout in layouts),
        checked="MD5; binary files by size",
        downloads=[(kind, {})],
        class_names=names,
    )


OFFICIAL: dict[str, Official] = {
    "clusters": Official(
        facts=clusters.FACTS, source=lambda root: clusters.source(), files="none", checked=""
    ),
    "digits": Official(
        facts=digits.FACTS,
        source=lambda root: digits.source(),
        files="none (scikit-learn has them)",
        checked="",
    ),
    "mnist": _idx(idx.MNIST, ("MNIST", {})),
    "fashion_mnist": _idx(idx.FASHION_MNIST, ("FashionMNIST", {}), names=class_names.FASHION_MNIST),
    "kmnist": _idx(idx.KMNIST, ("KMNIST", {}), names=class_names.KMNIST),
    "qmnist": _idx(idx.QMNIST, ("QMNIST", {"what": "train"}), ("QMNIST", {"what": "test"}), test=60_000),
    "emnist_balanced": _emnist("balanced", 112_800, 18_800, classes=47, names=class_names.EMNIST_BYMERGE),
    "emnist_byclass": _emnist("byclass", 697_932, 116_323, classes=62, names=class_names.EMNIST_BYCLASS),
    "emnist_bymerge": _emnist("bymerge", 697_932, 116_323, classes=47, names=class_names.EMNIST_BYMERGE),
    "emnist_digits": _emnist("digits", 240_000, 40_000, classes=10),
    "emnist_letters": _emnist(
        "letters", 124_800, 20_800, classes=26, first=1, names=class_names.EMNIST_LETTERS
    ),
    "emnist_mnist": _emnist("mnist", 60_000, 10_000, classes=10),
    "svhn": Official(
        facts=Facts(train=73_257, test=26_032, classes=10, side=32, channels=3),
        source=svhn.source,
        files=" and ".join(f"`{name}`" for name in svhn.MD5),
        checked="MD5",
        downloads=[("SVHN", {"split": "train"}), ("SVHN", {"split": "test"})],
    ),
    "usps": Official(
        facts=Facts(train=7_291, test=2_007, classes=10, side=16, channels=1),
        source=usps.source,
        files=" and ".join(f"`{name}`" for name in usps.MD5),
        checked="MD5",
        downloads=[("USPS", {"train": True}), ("USPS", {"train": False})],
    ),
    "cifar10": _cifar(cifar.CIFAR10, "CIFAR10", class_names.CIFAR10),
    "cifar100": _cifar(cifar.CIFAR100, "CIFAR100", class_names.CIFAR100),
}
