"""MNIST and its relatives in their official IDX files, as torchvision lays them out, gzipped or not.

Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits"; H. Xiao, K. Rasul
and R. Vollgraf, "Fashion-MNIST", arXiv:1708.07747; T. Clanuwat et al., "Deep Learning for Classical
Japanese Literature", arXiv:1812.01718 (KMNIST); G. Cohen et al., "EMNIST", arXiv:1702.05373; C. Yadav
and L. Bottou, "Cold Case: The Lost MNIST Digits", arXiv:1905.10498 (QMNIST).

Checksums are of the content after decompression where that is known, since mirrors differ in how they
compress; else, where the file is compressed, of the file as it is published.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from regularize.data.form import Form
from regularize.data.source import (
    LARGE,
    Arrays,
    Facts,
    Images,
    Labels,
    MissingDataError,
    Source,
    damaged,
    read_bytes,
)
from regularize.opened import opened, unpacked

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
UNSIGNED_BYTES, INTEGERS = 0x08, 0x0C
TYPES: dict[int, np.dtype[Any]] = {UNSIGNED_BYTES: np.dtype(np.uint8), INTEGERS: np.dtype(">i4")}
HEADER = 64  # bytes that hold the longest


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The folder below the data root, and its files: training images and labels, those for testing.

    `md5` are of contents, `gz_md5` of the files as they are published. Where images are `transposed`
    they lie in the file as columns of pixels. Labels that have several columns begin with the class.
    """

    folder: str
    names: tuple[str, str, str, str] = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
    md5: Mapping[str, str] = field(default_factory=dict)
    gz_md5: Mapping[str, str] = field(default_factory=dict)
    classes: int = 10
    first_label: int = 0
    transposed: bool = False


MNIST = Layout(
    folder="MNIST/raw",
    md5={
        TRAIN_IMAGES: "6bbc9ace898e44ae57da46a324031adb",
        TRAIN_LABELS: "a25bea736e30d166cdddb491f175f624",
        TEST_IMAGES: "2646ac647ad5339dbf082846283269ea",
        TEST_LABELS: "27ae3e4e09519cfbb04c329615203637",
    },
)
FASHION_MNIST = Layout(
    folder="FashionMNIST/raw",
    md5={
        TRAIN_IMAGES: "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        TRAIN_LABELS: "9018921c3c673c538a1fc5bad174d6f9",
        TEST_IMAGES: "8181f5470baa50b63fa0f6fddb340f0a",
        TEST_LABELS: "15d484375f8d13e6eb1aabb0c3f46965",
    },
)
KMNIST = Layout(
    folder="KMNIST/raw",
    gz_md5={
        TRAIN_IMAGES: "bdb82020997e1d708af4cf47b453dcf7",
        TRAIN_LABELS: "e144d726b3acfaa3e44228e80efcd344",
        TEST_IMAGES: "5c965bf0a639b31b8f53240b1b52f4d7",
        TEST_LABELS: "7320c461ea6c1c855c0b718fb2a4b134",
    },
)
QMNIST = Layout(
    folder="QMNIST/raw",
    names=(
        "qmnist-train-images-idx3-ubyte",
        "qmnist-train-labels-idx2-int",
        "qmnist-test-images-idx3-ubyte",
        "qmnist-test-labels-idx2-int",
    ),
    gz_md5={
        "qmnist-train-images-idx3-ubyte": "ed72d4157d28c017586c42bc6afe6370",
        "qmnist-train-labels-idx2-int": "0058f8dd561b90ffdd0f734c6a30e5e4",
        "qmnist-test-images-idx3-ubyte": "1394631089c404de565df7b7aeaf9412",
        "qmnist-test-labels-idx2-int": "5b5b05890a5e13444e108efe57b788aa",
    },
)


def emnist(split: str, classes: int, first_label: int = 0) -> Layout:
    train, test = f"emnist-{split}-train", f"emnist-{split}-test"
    images, labels = "images-idx3-ubyte", "labels-idx1-ubyte"
    return Layout(
        folder="EMNIST/raw",
        names=(f"{train}-{images}", f"{train}-{labels}", f"{test}-{images}", f"{test}-{labels}"),
        classes=classes,
        first_label=first_label,
        transposed=True,
    )


def source(root: Path, layout: Layout) -> Source:
    """The four files, each plain or with `.gz`.

    Raises:
        MissingDataError: some are not there.
    """
    folder = root / layout.folder
    found = {name: _find(folder, name) for name in layout.names}
    if missing := [name for name, path in found.items() if path is None]:
        raise MissingDataError(f"put {', '.join(missing)} (plain or .gz) into {folder}")
    files = {name: path for name, path in found.items() if path is not None}
    return Source.of(
        tuple(files.values()), look=partial(_look, files, layout), read=partial(_read, files, layout)
    )


def parse(content: bytes, kind: int = UNSIGNED_BYTES) -> npt.NDArray[Any]:
    """An IDX file of unsigned bytes, or of another `kind`, as an array of the shape in its header.

    The header is two zero bytes, the type, the number of dimensions, and each dimension as a
    big-endian 32-bit integer.

    Raises:
        ValueError: not such a file, or more or fewer bytes than its header promises.
    """
    shape = _shape(content, kind)
    start, size = 4 + 4 * len(shape), TYPES[kind].itemsize
    if len(content) != start + size * math.prod(shape):
        promised = start + size * math.prod(shape)
        raise ValueError(f"its header promises {promised} bytes, it has {len(content)}")
    return np.frombuffer(content, TYPES[kind], offset=start).reshape(shape)


def _shape(content: bytes, kind: int) -> tuple[int, ...]:
    if len(content) < 4 or content[:3] != bytes((0, 0, kind)):
        raise ValueError(
            f"an IDX file of bytes starts with 0000{kind:02x}, this one with {content[:3].hex()}"
        )
    return tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, 4 + 4 * content[3], 4))


def _kind(name: str) -> int:
    return INTEGERS if name.endswith("-int") else UNSIGNED_BYTES


def _find(folder: Path, name: str) -> Path | None:
    choices = (folder / name, folder / f"{name}.gz")
    return next((path for path in choices if path.is_file()), None)


def _content(path: Path) -> bytes:
    stored = read_bytes(path)
    try:
        return unpacked(gzip.open(io.BytesIO(stored)), LARGE) if path.suffix == ".gz" else stored
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise damaged(path, error) from error


def _look(files: Mapping[str, Path], layout: Layout, form: Form) -> Facts:
    shapes = {name: _header(path, _kind(name)) for name, path in files.items()}
    images, train, tested, test = (shapes[name] for name in layout.names)
    for name, counts in zip(layout.names[1::2], ((images[0], train[0]), (tested[0], test[0])), strict=True):
        if counts[0] != counts[1]:
            raise damaged(files[name], f"it has {counts[1]} labels for {counts[0]} images")
    side = images[-1]
    facts = Facts(train=train[0], test=test[0], classes=layout.classes, side=side, channels=1)
    return facts.formed(form)


def _header(path: Path, kind: int) -> tuple[int, ...]:
    try:
        with opened(path, links=True) as stored:
            file = gzip.GzipFile(fileobj=stored) if path.suffix == ".gz" else stored
            return _shape(file.read(HEADER), kind)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise damaged(path, error) from error


def _read(files: Mapping[str, Path], layout: Layout, form: Form) -> Arrays:
    arrays = [_checked(files[name], name, layout) for name in layout.names]
    labels = [_labels(array, layout) for array in arrays[1::2]]
    for name, values in zip(layout.names[1::2], labels, strict=True):
        if len(values) and not 0 <= values.min() <= values.max() < layout.classes:
            reason = f"it has labels from {values.min()} to {values.max()} for {layout.classes} classes"
            raise damaged(files[name], reason)
    images = [form.images(_images(array, layout)) for array in arrays[::2]]
    return Arrays(
        classes=layout.classes,
        train_images=images[0],
        train_labels=labels[0],
        test_images=images[1],
        test_labels=labels[1],
    )


def _images(array: npt.NDArray[Any], layout: Layout) -> Images:
    return (array.swapaxes(1, 2) if layout.transposed else array)[..., None]


def _labels(array: npt.NDArray[Any], layout: Layout) -> Labels:
    return array.reshape(len(array), -1)[:, 0].astype(np.int64) - layout.first_label


def _checked(path: Path, name: str, layout: Layout) -> npt.NDArray[Any]:
    content = _content(path)
    try:
        array = parse(content, _kind(name))
    except ValueError as error:
        raise damaged(path, error) from error
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if name in layout.md5:
        if found != layout.md5[name]:
            raise damaged(path, f"its content has the MD5 {found}, the official file {layout.md5[name]}")
        return array
    for other in (MNIST, FASHION_MNIST):  # which go by the very names that KMNIST's files have
        if found in other.md5.values():
            raise damaged(path, f"it is the file that belongs into {other.folder}")
    if path.suffix == ".gz" and name in layout.gz_md5:
        found = hashlib.md5(read_bytes(path), usedforsecurity=False).hexdigest()
        if found != layout.gz_md5[name]:
            raise damaged(path, f"it has the MD5 {found}, the official file {layout.gz_md5[name]}")
    return array
