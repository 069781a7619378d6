"""Decoding a data set once, into files that all processes of a node map and share. Free of torch.

    <root>/prepared/<name>/meta.json
                           <array>-<checksum>.npy     train_images, train_labels, test_…

`meta.json` is written last and says which arrays count. Arrays are named by their content and
never changed; those of earlier versions of the source stay, since running jobs may have them
mapped. The folder may be deleted whenever none runs.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from regularize.data.registry import OFFICIAL, PREPARED, VARIABLE, data_root, locate
from regularize.data.source import Facts, Features, MissingDataError, Source
from regularize.errors import UserError
from regularize.store import read_json, write_json, write_whole

FORMAT = 2  # of these files; another one is decoded anew
TYPES = (np.uint8, np.float32, np.int64)  # of their numbers
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
AT_ONCE = 1000  # images whose statistics are taken together, so that memory stays small


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What `meta.json` says. `mean` and `std` are of the training part's channels, pixels in [0, 1].

    `class_names` are empty where classes have numbers only.
    `source` stands for the names, sizes and times of the files that were decoded, `checksum` for
    what came out, `sizes` are the arrays' files in bytes.
    """

    folder: Path
    facts: Facts
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str
    checksum: str
    sizes: Mapping[str, int]

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


def describe(name: str, root: Path | str | None = None) -> Facts:
    """A data set in numbers. Reads no file for an official one; prepares one's own.

    Raises:
        UserError: as `prepared`, for a set of one's own.
    """
    return OFFICIAL[name].facts if name in OFFICIAL else prepared(name, root).facts


def prepared(name: str, root: Path | str | None = None, *, checked: bool = True) -> Prepared:
    """The decoded data set: decoded now if it is not yet, if the source changed, or if it is torn or damaged.

    Where the source is gone, what was prepared from it serves. Any number of processes may call
    this at once. Damage shows only where it is `checked`.

    Raises:
        UserError: unknown, missing or damaged data, or a folder that cannot be written.
    """
    root = data_root(root)
    folder = root / PREPARED / name
    try:
        source = locate(name, root)
    except MissingDataError as error:
        if ready := _current(folder, None, checked):
            return ready
        if damaged := _current(folder, None, checked=False):
            raise MissingDataError(f"{damaged.path('*')}: one of them is damaged, and {error}") from None
        raise
    identity = _identity(source, root)
    if ready := _current(folder, identity, checked):
        return ready
    try:
        with alone(folder):
            return _current(folder, identity, checked) or _prepare(name, source, folder, identity)
    except OSError as error:
        raise UserError(
            f"cannot write to {folder}: {error.strerror or error}. Set {VARIABLE} to a folder that has room "
            "and that you can write to; the data may be links in it"
        ) from error


def _current(folder: Path, identity: str | None, checked: bool) -> Prepared | None:
    """What is prepared, if it is whole and (unless None) of the source with that identity."""
    try:
        meta = read_json(folder / "meta.json")
        if meta.pop("format") != FORMAT:
            return None
        meta["facts"] = Facts(**meta["facts"])
        meta |= {key: tuple(meta[key]) for key in ("class_names", "mean", "std")}
        ready = Prepared(folder=folder, **meta)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    whole = identity in (None, ready.source) and (ready.sound() if checked else ready.complete())
    return ready if whole else None


def _identity(source: Source, root: Path) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for path in source.files:
        status = path.stat()
        name = str(path).removeprefix(str(root))
        digest.update(f"{name}/{status.st_size}/{status.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process works there and the others wait. Where files cannot be locked all do, to no harm."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _prepare(name: str, source: Source, folder: Path, identity: str) -> Prepared:
    arrays = source.read()
    assert name not in OFFICIAL or arrays.facts == OFFICIAL[name].facts, (name, arrays.facts)
    contents = {array: np.ascontiguousarray(getattr(arrays, array)) for array in ARRAYS}
    mean, std = _statistics(name, arrays.train_images)
    ready = Prepared(
        folder=folder,
        facts=arrays.facts,
        class_names=OFFICIAL[name].class_names if name in OFFICIAL else tuple(arrays.class_names),
        mean=mean,
        std=std,
        source=identity,
        checksum=_checksum(contents),
        sizes={},
    )
    sizes = {array: _write(ready.path(array), content) for array, content in contents.items()}
    ready = dataclasses.replace(ready, sizes=sizes)
    write_meta(ready)
    return ready


def write_meta(ready: Prepared) -> None:
    """Say that all arrays are there."""
    meta = dataclasses.asdict(ready) | {"format": FORMAT}
    del meta["folder"]
    write_json(ready.folder / "meta.json", meta)


def _write(path: Path, array: npt.NDArray[Any]) -> int:
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
        found: npt.NDArray[Any] = np.load(path, mmap_mode="r")
        return found
    return None


@cache
def _fits(paths: Sequence[Path], states: Sequence[object], checksum: str) -> bool:
    """Whether files, in this state, hold the arrays of that checksum."""
    found = {array: _mapped(path) for array, path in zip(ARRAYS, paths, strict=True)}
    contents = {array: content for array, content in found.items() if content is not None}
    known = all(content.dtype in TYPES and content.flags.c_contiguous for content in contents.values())
    if len(contents) == len(ARRAYS) and known and _checksum(contents) == checksum:
        return True
    files = paths[0].with_name(f"*-{checksum}.npy")
    print(
        f"warning: {files}: one of them is damaged (their checksum does not fit), none is used",
        file=sys.stderr,
    )
    return False


def _checksum(contents: Mapping[str, npt.NDArray[Any]]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for array in ARRAYS:
        digest.update(f"{array} {contents[array].shape}".encode())
        digest.update(contents[array].data)
    return digest.hexdigest()


def _statistics(name: str, images: Features) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, for pixels in [0, 1], from exact sums.

    Points are left in their own units: mean 0, deviation 1.
    """
    if images.dtype != np.uint8:
        return (0.0,) * images.shape[-1], (1.0,) * images.shape[-1]
    total = squares = np.zeros(images.shape[3], dtype=np.int64)
    for start in range(0, len(images), AT_ONCE):
        values = images[start : start + AT_ONCE].astype(np.int64)
        total = total + values.sum(axis=(0, 1, 2))
        squares = squares + (values**2).sum(axis=(0, 1, 2))
    count = math.prod(images.shape[:3])
    means = [t / count for t in total.tolist()]
    sums = zip(total.tolist(), squares.tolist(), strict=True)  # integers without a limit from here on
    deviations = [math.sqrt(count * s - t**2) / count for t, s in sums]
    if not all(deviations):
        channel = deviations.index(0)
        raise UserError(f"{name}: every pixel of the training images' channel {channel} is the same")
    return tuple(m / 255 for m in means), tuple(d / 255 for d in deviations)
