"""A data set of one's own as arrays: `<root>/<name>.npz`, as `numpy.savez` writes it.

`train_images` and `test_images` are uint8 [N, H, W] or [N, H, W, C] with H = W;
`train_labels` and `test_labels` are integers [N] from 0 to the number of classes less one.
"""

from __future__ import annotations

import zipfile
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from regularize.data.source import Arrays, Images, Labels, Source, damaged
from regularize.errors import UserError

NAMES = ("train_images", "train_labels", "test_images", "test_labels")


def source(path: Path) -> Source:
    """The one file."""
    return Source(files=(path,), read=partial(_read, path))


def _read(path: Path) -> Arrays:
    try:
        with path.open("rb") as stored, np.load(stored, allow_pickle=False) as file:
            if missing := [name for name in NAMES if name not in file]:
                raise UserError(f"{path} has no array {missing[0]!r}; it needs {', '.join(NAMES)}")
            arrays = {name: file[name] for name in NAMES}
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise damaged(path, error) from error
    train_images, test_images = (_images(path, name, arrays[name]) for name in NAMES[::2])
    train_labels = _labels(path, "train_labels", arrays["train_labels"], len(train_images))
    test_labels = _labels(path, "test_labels", arrays["test_labels"], len(test_images))
    if train_images.shape[1:] != test_images.shape[1:]:
        raise UserError(f"{path}: training and test images differ in size or channels")
    return Arrays(
        classes=_classes(path, train_labels, test_labels),
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
    )


def _images(path: Path, name: str, images: npt.NDArray[Any]) -> Images:
    shape = images.shape if images.ndim == 4 else (*images.shape, 1)
    if images.dtype != np.uint8 or len(shape) != 4 or shape[1] != shape[2] or 0 in shape:
        raise UserError(
            f"{path}: {name} is {images.dtype} {list(images.shape)}, but must be uint8 [N, H, W] or "
            "[N, H, W, C] with H = W"
        )
    return images.reshape(shape)


def _labels(path: Path, name: str, labels: npt.NDArray[Any], count: int) -> Labels:
    if labels.dtype.kind not in "iu" or labels.shape != (count,):
        raise UserError(
            f"{path}: {name} is {labels.dtype} {list(labels.shape)}, but must be integers [{count}]"
        )
    return labels.astype(np.int64)


def _classes(path: Path, train: Labels, test: Labels) -> int:
    """The number of classes, all of which the training part must have."""
    present = np.unique(train)
    if not np.array_equal(present, np.arange(len(present))):
        raise UserError(
            f"{path}: train_labels are {present[:10].tolist()}…, but must be 0, 1, 2, … without gaps"
        )
    if odd := np.setdiff1d(test, present).tolist():
        raise UserError(f"{path}: test_labels has {odd[0]}, which train_labels has not")
    return len(present)
