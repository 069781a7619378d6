"""A decoded data set on disk, whose files all processes of a node map and share. Free of torch.

    <root>/prepared/<name>/meta.json
                           <array>-<checksum>.npy     train_images, train_labels, test_…

`meta.json` is written last and says which arrays count. Arrays are named by their content and
never changed; those of earlier versions of the source stay, since running jobs may have them
mapped. The folder may be deleted whenever none runs. Where a sweep asks for another form of the images,
the folder is `<name>,resize=…,channels=…`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from regularize.data.looks import Looks
from regularize.data.source import Facts
from regularize.opened import opened
from regularize.store import read_json, write_json, write_whole
from regularize.typed import checked

FORMAT = 3  # of these files; another one is decoded anew
TYPES = (np.uint8, np.float32, np.int64)  # of their numbers
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What `meta.json` says. `mean` and `std` are of the training part's channels, pixels in [0, 1].

    The last `facts.validation` rows of the training arrays are the published validation part.
    `class_names` are empty where classes have numbers only. `notes` are sentences on what was done to
    the images, and on what had better be known of them.
    `source` stands for the names, sizes and times of all files that were decoded and `looked` has those
    of the ones to look at again, `checksum` stands for what came out, `sizes` are the arrays' files in
    bytes.
    """

    folder: Path
    facts: Facts
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    notes: tuple[str, ...]
    source: str
    looked: Looks
    checksum: str
    sizes: Mapping[str, int]

    @property
    def content_hash(self) -> str:
        """16 hex digits that stand for all that a result depends on: images, labels, class names, split."""
        content = [self.checksum, self.class_names, self.facts.validation]
        return hashlib.blake2b(json.dumps(content).encode(), digest_size=8).hexdigest()

    def path(self, array: str) -> Path:
        return self.folder / f"{array}-{self.checksum}.npy"

    def complete(self) -> bool:
        """Whether all arrays are there in full (a copied folder may not be)."""
        with suppress(OSError):
            return all(self.path(array).stat().st_size == self.sizes[array] for array in ARRAYS)
        return False

    def sound(self) -> bool:
        """Whether they also hold what was decoded; says so on stderr if they do not.

        For that they are read, once a process unless they are replaced: a quarter of a second for CIFAR-10.
        """
        paths = [self.path(array) for array in ARRAYS]
        with suppress(OSError):
            states = tuple((s.st_ino, s.st_mtime_ns) for s in (path.stat() for path in paths))
            return self.complete() and _fits(tuple(paths), states, self.checksum)
        return False


def read_meta(folder: Path) -> Prepared | None:
    """What `meta.json` of that folder says; None if there is none, or of another format."""
    try:
        meta = read_json(folder / "meta.json")
        if meta.pop("format") != FORMAT:
            return None
        meta["facts"] = Facts(**meta["facts"])
        meta |= {key: tuple(meta[key]) for key in ("class_names", "mean", "std", "notes")}
        return checked(Prepared(folder=folder, **meta))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_meta(ready: Prepared) -> None:
    """Say that all arrays are there."""
    meta = dataclasses.asdict(ready) | {"format": FORMAT}
    del meta["folder"]
    write_json(ready.folder / "meta.json", meta)


def write_array(path: Path, array: npt.NDArray[Any]) -> int:
    """Write a `.npy` file unless it holds the array already; returns its size in bytes."""

    def save(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.save(file, array, allow_pickle=False)

    if not _holds(path, array):
        write_whole(path, save)
    return path.stat().st_size


def _holds(path: Path, array: npt.NDArray[Any]) -> bool:
    found = _mapped(path)
    return found is not None and found.dtype == array.dtype and np.array_equal(found, array)


def _mapped(path: Path) -> npt.NDArray[Any] | None:
    """The array of a file; None if it is none."""
    with suppress(Exception):  # of many kinds, by which byte of its head is damaged
        with opened(path):  # a regular file
            found: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        return found
    return None


@cache
def _fits(paths: Sequence[Path], states: Sequence[object], expected: str) -> bool:
    """Whether files, in this state, hold the arrays of that checksum."""
    found = {array: _mapped(path) for array, path in zip(ARRAYS, paths, strict=True)}
    contents = {array: content for array, content in found.items() if content is not None}
    known = all(content.dtype in TYPES and content.flags.c_contiguous for content in contents.values())
    if len(contents) == len(ARRAYS) and known and checksum(contents) == expected:
        return True
    files = paths[0].with_name(f"*-{expected}.npy")
    print(
        f"warning: {files}: one of them is damaged (their checksum does not fit), none is used",
        file=sys.stderr,
    )
    return False


def checksum(contents: Mapping[str, npt.NDArray[Any]]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for array in ARRAYS:
        digest.update(f"{array} {contents[array].shape}".encode())
        digest.update(contents[array].data)
    return digest.hexdigest()
