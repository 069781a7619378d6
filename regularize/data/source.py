"""What every kind of source comes down to: the files it is made of, and the arrays they decode to.

Free of torch, like all of this package but `dataset` and `splits`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from regularize.data.data_config import MATCHED, DataConfig
from regularize.data.form import Form
from regularize.errors import UserError, require
from regularize.opened import read_whole

Images = npt.NDArray[np.uint8]  # [N, H, W, C]
Features = npt.NDArray[np.uint8] | npt.NDArray[np.float32]  # images, or points [N, D] in their own units
Labels = npt.NDArray[np.int64]  # [N]
MOST_BYTES = 4_000_000_000  # of a file that is read as a whole
LARGE, MOST_SWOLLEN = 1_000_000_000, 200  # bytes in memory, and times the file, that are nobody's mistake
POINTER = b"version https://git-lfs"  # how the file begins that Git LFS leaves in a file's place


class MissingDataError(UserError):
    """Files of a data set are not where they belong; the message says which, and where that is."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A data set in numbers: examples of its parts, classes, pixels a side, channels.

    `validation` is 0 where no such part was published: then a share of `train` is held out. A point
    of D numbers counts as one pixel of D channels. `smallest` are the examples of `train` that the class
    with the fewest has; None where a look does not tell.
    """

    train: int
    validation: int = 0
    test: int
    classes: int
    side: int
    channels: int
    smallest: int | None = dataclasses.field(default=None, compare=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one example as networks take it: (C, H, W) or (D,)."""
        return (self.channels, self.side, self.side) if self.side > 1 else (self.channels,)

    def parts(self, data: DataConfig) -> tuple[int, int]:
        """How many examples are held apart from validation, and how many validate.

        Raises:
            UserError: a share is asked for, but the validation part was published.
        """
        if self.validation:
            share = data.validation
            valid = f"left out: the data set has a validation part of its own, {self.validation:,} images"
            require(share in (None, MATCHED), "validation", share, valid)
            return self.train, self.validation
        held = data.held_out(self.train, self.classes)
        return self.train - held, held

    def trained_on(self, data: DataConfig) -> int:
        """How many examples a run is trained on."""
        left, _ = self.parts(data)
        return left if data.per_class is None else min(left, data.per_class * self.classes)

    @property
    def notes(self) -> list[str]:
        """What a person had better know of the parts."""
        own = f"its own validation part of {self.validation:,} images is the validation part of every run"
        return [own] if self.validation else []

    def formed(self, form: Form) -> Facts:
        """The same examples in the form that a sweep asks for."""
        return dataclasses.replace(
            self, side=form.resize or self.side, channels=form.channels or self.channels
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Arrays:
    """A decoded data set: images uint8 [N, H, W, C] or points float32 [N, D], labels int64 [N].

    Labels are in [0, classes). The last `validation` of the training examples are the published
    validation part. `class_names` are empty where classes have numbers only. `notes` are sentences on
    what was done to the files' content; `train_names` and `test_names`, where there are any, call
    examples by their files.
    """

    classes: int
    class_names: Sequence[str] = ()
    train_images: Features
    train_labels: Labels
    test_images: Features
    test_labels: Labels
    validation: int = 0
    notes: Sequence[str] = ()
    train_names: Sequence[str] = ()
    test_names: Sequence[str] = ()

    @property
    def facts(self) -> Facts:
        train = len(self.train_labels) - self.validation
        return Facts(
            train=train,
            validation=self.validation,
            test=len(self.test_labels),
            classes=self.classes,
            side=self.train_images.shape[1] if self.train_images.ndim == 4 else 1,
            channels=self.train_images.shape[-1],
            smallest=fewest(self.train_labels[:train], self.classes),
        )


@dataclass(frozen=True, kw_only=True)
class Source:
    """A complete set of files, and how to look at and decode them.

    `watched` are paths whose size and times change when the set does, few enough for every look:
    the files, or the folders of many. `files` lists all, which may take its time. `look` says what
    headers and labels say, without decoding an image, and `read` decodes; both raise `UserError` on
    what is not as it should be.
    """

    watched: tuple[Path, ...]
    files: Callable[[], Sequence[Path]]
    look: Callable[[Form], Facts]
    read: Callable[[Form], Arrays]

    @classmethod
    def of(
        cls, files: Sequence[Path], look: Callable[[Form], Facts], read: Callable[[Form], Arrays]
    ) -> Source:
        """Of a handful of files."""
        return cls(watched=tuple(files), files=lambda: files, look=look, read=read)


def fewest(labels: Labels, classes: int) -> int:
    """The number of examples of the class that has the fewest."""
    return int(np.bincount(labels, minlength=classes).min())


def read_bytes(path: Path) -> bytes:
    """The content of a file that has just been found."""
    try:
        return read_whole(path, MOST_BYTES, links=True)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def damaged(path: Path, reason: object) -> UserError:
    """The error for a file that is there, but is not what it should be."""
    return UserError(
        f"{path} is damaged or not completely copied: {reason}. Delete it, then copy or fetch it again."
    )


def check_swollen(where: object, memory: int, disk: int) -> None:
    """Refuse what was made to fill the memory: images are hardly ever packed to a twentieth."""
    if memory > max(LARGE, MOST_SWOLLEN * disk):
        raise UserError(
            f"{where} would take {memory / 1e9:,.1f} GB of memory, {memory / max(disk, 1):,.0f} times the "
            "size of its file: that is no data set"
        )


def check_here(where: object, beginning: bytes) -> None:
    """Refuse what Git LFS leaves in the place of a file that it has not brought yet."""
    if beginning.startswith(POINTER):
        raise UserError(
            f"{where} is only Git LFS's pointer to the file: `git lfs pull` brings the file itself"
        )


def all_there(root: Path, names: Iterable[str]) -> dict[str, Path]:
    """Files of a folder, by name.

    Raises:
        MissingDataError: one is not there.
    """
    files = {name: root / name for name in names}
    if missing := [name for name, path in files.items() if not path.is_file()]:
        raise MissingDataError(f"put {' and '.join(missing)} into {root}")
    return files
