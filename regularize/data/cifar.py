"""CIFAR-10 and CIFAR-100 in the official Python or binary format, as folders or as the archives.

A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. The MD5 of the
Python batches are those that torchvision checks; none is published for the binary files, of
which the size is known.
"""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from regularize.data import inert
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
from regularize.opened import unpacked

PIXELS = 3 * 32 * 32
Batch = tuple[Images, Labels]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One format of one set. `train` and `test` give each file's MD5, or else its size in bytes."""

    folder: str
    archive: str
    classes: int
    train: Mapping[str, str | int]
    test: Mapping[str, str | int]
    parse: Callable[[bytes], Batch]

    @property
    def expected(self) -> dict[str, str | int]:
        return {**self.train, **self.test}


def parse_python(content: bytes, labels: bytes) -> Batch:
    """A pickled batch: images uint8 [N, 32, 32, 3] and the labels under the key `labels`, int64 [N].

    Raises:
        ValueError: not such a pickle. Nothing in it is ever executed.
    """
    batch = inert.loads(content)
    if not isinstance(batch, dict) or not {b"data", labels} <= batch.keys():
        raise ValueError(f"no pickled dictionary with data and {labels.decode()}")
    return _images(inert.as_bytes(batch[b"data"])), np.array(batch[labels], dtype=np.int64)


def parse_binary(content: bytes, label_bytes: int) -> Batch:
    """Records of `label_bytes` labels, the last of which counts, and 3,072 pixels.

    Raises:
        ValueError: not a whole number of records.
    """
    record = label_bytes + PIXELS
    if len(content) % record:
        raise ValueError(f"its {len(content)} bytes are not a multiple of {record}")
    records = np.frombuffer(content, np.uint8).reshape(-1, record)
    return _images(records[:, label_bytes:]), records[:, label_bytes - 1].astype(np.int64)


def _images(rows: Images) -> Images:
    """[N, 3072], a channel after the other, to [N, 32, 32, 3]."""
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


CIFAR10 = (
    Layout(
        folder="cifar-10-batches-py",
        archive="cifar-10-python.tar.gz",
        classes=10,
        train={
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        },
        test={"test_batch": "40351d587109b95175f43aff81a1287e"},
        parse=partial(parse_python, labels=b"labels"),
    ),
    Layout(
        folder="cifar-10-batches-bin",
        archive="cifar-10-binary.tar.gz",
        classes=10,
        train={f"data_batch_{i}.bin": 10_000 * (1 + PIXELS) for i in range(1, 6)},
        test={"test_batch.bin": 10_000 * (1 + PIXELS)},
        parse=partial(parse_binary, label_bytes=1),
    ),
)
CIFAR100 = (
    Layout(
        folder="cifar-100-python",
        archive="cifar-100-python.tar.gz",
        classes=100,
        train={"train": "16019d7e3df5f24257cddd939b257f8d"},
        test={"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
        parse=partial(parse_python, labels=b"fine_labels"),
    ),
    Layout(
        folder="cifar-100-binary",
        archive="cifar-100-binary.tar.gz",
        classes=100,
        train={"train.bin": 50_000 * (2 + PIXELS)},
        test={"test.bin": 10_000 * (2 + PIXELS)},
        parse=partial(parse_binary, label_bytes=2),
    ),
)


def source(root: Path, layouts: tuple[Layout, ...]) -> Source:
    """The first format of which the folder is complete or the archive there.

    Raises:
        MissingDataError: none is.
    """
    for layout in layouts:
        files = {name: root / layout.folder / name for name in layout.expected}
        if all(path.is_file() for path in files.values()):
            look = partial(_look_folder, files, layout)
            return Source.of(tuple(files.values()), look=look, read=partial(_read_folder, files, layout))
        archive = root / layout.archive
        if archive.is_file():
            look = partial(_facts, layout)
            return Source.of((archive,), look=look, read=partial(_read_archive, archive, layout))
    raise MissingDataError(_wanted(root, layouts))


def _wanted(root: Path, layouts: tuple[Layout, ...]) -> str:
    """The first format's missing files, and what else would do."""
    first, *others = layouts
    missing = [name for name in first.expected if not (root / first.folder / name).is_file()]
    instead = [first.archive, *(f"{layout.folder}/ or {layout.archive}" for layout in others)]
    return f"put {', '.join(missing)} into {root / first.folder}, or {' or '.join(instead)} into {root}"


def _facts(layout: Layout, form: Form) -> Facts:
    """What the official files have: a compressed archive has no header that says more."""
    return Facts(train=50_000, test=10_000, classes=layout.classes, side=32, channels=3).formed(form)


def _look_folder(files: Mapping[str, Path], layout: Layout, form: Form) -> Facts:
    for name, proof in layout.expected.items():
        if isinstance(proof, int):
            _check_proof(files[name], files[name].stat().st_size, proof)
    return _facts(layout, form)


def _read_folder(files: Mapping[str, Path], layout: Layout, form: Form) -> Arrays:
    return _arrays(layout, form, lambda name: (files[name], read_bytes(files[name])))


def _read_archive(archive: Path, layout: Layout, form: Form) -> Arrays:
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r:gz") as members:
            for member in members:
                folder, _, name = member.name.removeprefix("./").rpartition("/")
                if folder == layout.folder and name in layout.expected:
                    file = members.extractfile(member)
                    contents[name] = unpacked(file, LARGE) if file else b""
    except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError) as error:
        raise damaged(archive, error) from error
    if missing := layout.expected.keys() - contents.keys():
        raise damaged(archive, f"it has no {layout.folder}/{min(missing)}")
    return _arrays(layout, form, lambda name: (archive / layout.folder / name, contents[name]))


def _arrays(layout: Layout, form: Form, content: Callable[[str], tuple[Path, bytes]]) -> Arrays:
    parts: dict[str, Any] = {}
    for part, expected in (("train", layout.train), ("test", layout.test)):
        batches = [_checked(*content(name), proof, layout) for name, proof in expected.items()]
        parts[f"{part}_images"] = form.images(np.concatenate([images for images, _ in batches]))
        parts[f"{part}_labels"] = np.concatenate([labels for _, labels in batches])
    return Arrays(classes=layout.classes, **parts)


def _checked(path: Path, content: bytes, proof: str | int, layout: Layout) -> Batch:
    """The batch, after its checksum or its size, its structure and its labels have been checked."""
    found: str | int = len(content)
    if isinstance(proof, str):
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    _check_proof(path, found, proof)
    try:
        images, labels = layout.parse(content)
    except ValueError as error:
        raise damaged(path, error) from error
    if labels.min() < 0 or labels.max() >= layout.classes:
        raise damaged(path, f"it has labels up to {labels.max()} where there are {layout.classes} classes")
    return images, labels


def _check_proof(path: Path, found: str | int, proof: str | int) -> None:
    if found != proof:
        what = "MD5" if isinstance(proof, str) else "size in bytes"
        raise damaged(path, f"its {what} is {found}, the official file's {proof}")
