"""SVHN's cropped digits in the official MATLAB files, where torchvision puts them: in the data root.

Y. Netzer et al., "Reading Digits in Natural Images with Unsupervised Feature Learning", 2011.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from regularize.data.form import Form
from regularize.data.source import (
    Arrays,
    Facts,
    Images,
    Labels,
    Source,
    all_there,
    damaged,
    read_bytes,
)

MD5 = {
    "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
    "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
}


def source(root: Path, md5: Mapping[str, str] = MD5) -> Source:
    """The two files.

    Raises:
        MissingDataError: one is not there.
    """
    files = all_there(root, md5)
    return Source.of(tuple(files.values()), look=partial(_look, files), read=partial(_read, files, md5))


def _look(files: Mapping[str, Path], form: Form) -> Facts:
    train, test = (_counted(path) for path in files.values())
    return Facts(train=train, test=test, classes=10, side=32, channels=3).formed(form)


def _counted(path: Path) -> int:
    """How many images the file says it has; its pixels are not read."""
    shapes = {name: shape for name, shape, _ in _matlab("whosmat", path)}
    if len(shapes.get("X", ())) != 4 or shapes["X"][:3] != (32, 32, 3):
        raise damaged(path, f"it has {shapes}, not X of 32 × 32 × 3 × N")
    return int(shapes["X"][3])


def _read(files: Mapping[str, Path], md5: Mapping[str, str], form: Form) -> Arrays:
    (train_images, train_labels), (test_images, test_labels) = (
        _part(path, md5[name]) for name, path in files.items()
    )
    return Arrays(
        classes=10,
        train_images=form.images(train_images),
        train_labels=train_labels,
        test_images=form.images(test_images),
        test_labels=test_labels,
    )


def _part(path: Path, md5: str) -> tuple[Images, Labels]:
    """Images [N, 32, 32, 3], and labels in which 10 stands for the digit 0, as it is there."""
    found = hashlib.md5(read_bytes(path), usedforsecurity=False).hexdigest()
    if found != md5:
        raise damaged(path, f"its MD5 is {found}, the official file's {md5}")
    arrays = _matlab("loadmat", path)
    labels = np.asarray(arrays["y"]).reshape(-1).astype(np.int64)
    images = np.ascontiguousarray(np.asarray(arrays["X"], dtype=np.uint8).transpose(3, 0, 1, 2))
    return images, labels % 10


def _matlab(function: str, path: Path) -> Any:
    import scipy.io

    try:
        return getattr(scipy.io, function)(path)
    except Exception as error:  # of many kinds, by which byte is damaged
        raise damaged(path, error) from error
