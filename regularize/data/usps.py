"""USPS in the official files, where torchvision puts them: in the data root.

J. Hull, "A Database for Handwritten Text Recognition Research", 1994, as LIBSVM's site has it: a line
for each image, `label index:value …`, labels 1 … 10 for the digits 0 … 9, values from −1 to 1.
"""

from __future__ import annotations

import bz2
import hashlib
import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from regularize.data.form import Form
from regularize.data.source import (
    LARGE,
    Arrays,
    Facts,
    Images,
    Labels,
    Source,
    all_there,
    damaged,
    fewest,
    read_bytes,
)
from regularize.opened import unpacked

MD5 = {"usps.bz2": "ec16c51db3855ca6c91edd34d0e9b197", "usps.t.bz2": "8ea070ee2aca1ac39742fdd1ef5ed118"}
SIDE = 16


def source(root: Path, md5: Mapping[str, str] = MD5) -> Source:
    """The two files.

    Raises:
        MissingDataError: one is not there.
    """
    files = all_there(root, md5)
    return Source.of(tuple(files.values()), look=partial(_look, files), read=partial(_read, files, md5))


def _look(files: Mapping[str, Path], form: Form) -> Facts:
    (_, train), (_, test) = (_part(path) for path in files.values())  # a second: there is no header
    facts = Facts(
        train=len(train), test=len(test), classes=10, side=SIDE, channels=1, smallest=fewest(train, 10)
    )
    return facts.formed(form)


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


def _part(path: Path, md5: str | None = None) -> tuple[Images, Labels]:
    content = read_bytes(path)
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if md5 and found != md5:
        raise damaged(path, f"its MD5 is {found}, the official file's {md5}")
    try:
        with bz2.open(io.BytesIO(content)) as stream:
            lines = [line.split() for line in unpacked(stream, LARGE).splitlines()]
        labels = np.array([int(line[0]) - 1 for line in lines])
        values = np.array([[pixel.partition(b":")[2] for pixel in line[1:]] for line in lines], np.float32)
        images = ((values.reshape(-1, SIDE, SIDE, 1) + 1) / 2 * 255).astype(np.uint8)  # torchvision's bytes
    except (OSError, ValueError, IndexError, EOFError) as error:
        raise damaged(path, error) from error
    return images, labels
