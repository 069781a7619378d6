"""MNIST and FashionMNIST in their official IDX files, as torchvision lays them out, gzipped or not.

Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits"; H. Xiao, K. Rasul
and R. Vollgraf, "Fashion-MNIST", arXiv:1708.07747. The checksums are of the content after
decompression: mirrors differ in how they compress.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from regularize.data.source import Arrays, MissingDataError, Source, damaged, read_bytes

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
UNSIGNED_BYTES = 0x08


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The folder below the data root, and the MD5 of each file's content."""

    folder: str
    md5: Mapping[str, str]


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


def source(root: Path, layout: Layout) -> Source:
    """The four files, each plain or with `.gz`.

    Raises:
        MissingDataError: some are not there.
    """
    folder = root / layout.folder
    found = {name: _find(folder, name) for name in layout.md5}
    if missing := [name for name, path in found.items() if path is None]:
        raise MissingDataError(f"put {', '.join(missing)} (plain or .gz) into {folder}")
    files = {name: path for name, path in found.items() if path is not None}
    return Source(files=tuple(files.values()), read=lambda: _read(files, layout))


def parse(content: bytes) -> npt.NDArray[np.uint8]:
    """An IDX file of unsigned bytes as an array of the shape that its header gives.

    The header is two zero bytes, the type, the number of dimensions, and each dimension as a
    big-endian 32-bit integer.

    Raises:
        ValueError: not such a file, or more or fewer bytes than its header promises.
    """
    if len(content) < 4 or content[:3] != bytes((0, 0, UNSIGNED_BYTES)):
        raise ValueError(f"an IDX file of bytes starts with 000008, this one with {content[:3].hex()}")
    start = 4 + 4 * content[3]
    shape = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4))
    if len(content) != start + math.prod(shape):
        raise ValueError(f"its header promises {start + math.prod(shape)} bytes, it has {len(content)}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _find(folder: Path, name: str) -> Path | None:
    choices = (folder / name, folder / f"{name}.gz")
    return next((path for path in choices if path.is_file()), None)


def _content(path: Path) -> bytes:
    stored = read_bytes(path)
    try:
        return gzip.decompress(stored) if path.suffix == ".gz" else stored
    except (OSError, EOFError, zlib.error) as error:
        raise damaged(path, error) from error


def _read(files: Mapping[str, Path], layout: Layout) -> Arrays:
    arrays = {name: _checked(path, layout.md5[name]) for name, path in files.items()}
    return Arrays(
        classes=10,
        train_images=arrays[TRAIN_IMAGES][..., None],
        train_labels=arrays[TRAIN_LABELS].astype(np.int64),
        test_images=arrays[TEST_IMAGES][..., None],
        test_labels=arrays[TEST_LABELS].astype(np.int64),
    )


def _checked(path: Path, md5: str) -> npt.NDArray[np.uint8]:
    content = _content(path)
    try:
        array = parse(content)
    except ValueError as error:
        raise damaged(path, error) from error
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise damaged(path, f"its content has the MD5 {found}, the official file {md5}")
    return array
