"""What every kind of source comes down to: the files it is made of, and the arrays they decode to.

Free of torch, like all of this package but `dataset` and `splits`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from regularize.errors import UserError

Images = npt.NDArray[np.uint8]  # [N, H, W, C]
Features = npt.NDArray[np.uint8] | npt.NDArray[np.float32]  # images, or points [N, D] in their own units
Labels = npt.NDArray[np.int64]  # [N]


class MissingDataError(UserError):
    """Files of a data set are not where they belong; the message says which, and where that is."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A data set in numbers: examples of the two official parts, classes, pixels a side, channels.

    A point of D numbers counts as one pixel of D channels.
    """

    train: int
    test: int
    classes: int
    side: int
    channels: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one example as networks take it: (C, H, W) or (D,)."""
        return (self.channels, self.side, self.side) if self.side > 1 else (self.channels,)


@dataclass(frozen=True, kw_only=True, eq=False)
class Arrays:
    """A decoded data set: images uint8 [N, H, W, C] or points float32 [N, D], labels int64 [N].

    Labels are in [0, classes). `class_names` are empty where classes have numbers only.
    """

    classes: int
    class_names: Sequence[str] = ()
    train_images: Features
    train_labels: Labels
    test_images: Features
    test_labels: Labels

    @property
    def facts(self) -> Facts:
        return Facts(
            train=len(self.train_labels),
            test=len(self.test_labels),
            classes=self.classes,
            side=self.train_images.shape[1] if self.train_images.ndim == 4 else 1,
            channels=self.train_images.shape[-1],
        )


@dataclass(frozen=True, kw_only=True)
class Source:
    """A complete set of files and how to decode them; `read` raises `UserError` on damage."""

    files: tuple[Path, ...]
    read: Callable[[], Arrays]


def read_bytes(path: Path) -> bytes:
    """The content of a file that has just been found."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def damaged(path: Path, reason: object) -> UserError:
    """The error for a file that is there, but is not what it should be."""
    return UserError(
        f"{path} is damaged or not completely copied: {reason}. Delete it, then copy or fetch it again."
    )
