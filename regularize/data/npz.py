"""A data set of one's own as arrays: `<root>/<name>.npz`, as `numpy.savez` writes it, MedMNIST's for one.

`train_images` and `test_images` are uint8 [N, H, W] or [N, H, W, C] with H = W, or bool;
`train_labels` and `test_labels` are integers [N] or [N, 1] from 0 to the number of classes less one.
`val_images` and `val_labels`, where there are any, are the validation part.

MedMNIST: J. Yang et al., "MedMNIST v2", Scientific Data 10:41, 2023.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from regularize.data.form import Form
from regularize.data.labels import checked_labels, count_classes
from regularize.data.source import (
    Arrays,
    Facts,
    Images,
    Labels,
    Source,
    check_here,
    check_swollen,
    damaged,
    fewest,
)
from regularize.errors import UserError
from regularize.opened import opened

NEEDED = ("train_images", "train_labels", "test_images", "test_labels")
MOST_OF_HEAD = 10_000  # bytes, as numpy takes
VALIDATION = ("val_images", "val_labels")  # MedMNIST's names
Shapes = Mapping[str, tuple[int, ...]]


def source(path: Path) -> Source:
    """The one file."""
    return Source.of((path,), look=partial(_look, path), read=partial(_read, path))


def _look(path: Path, form: Form) -> Facts:
    with _opened(path) as file:
        shapes, labels = _checked(path, file, form)
        size, classes = shapes["train_images"], _classes(path, labels)
        facts = Facts(
            train=len(labels["train_labels"]),
            validation=len(labels.get("val_labels", ())),
            test=len(labels["test_labels"]),
            classes=classes,
            side=size[1],
            channels=size[3],
            smallest=fewest(labels["train_labels"], classes),
        )
    return facts.formed(form)


def _read(path: Path, form: Form) -> Arrays:
    with _opened(path) as file:
        shapes, labels = _checked(path, file, form)
        images = {name: _pixels(file[name], form) for name in shapes}
        others = sorted(set(file.files) - shapes.keys() - labels.keys())
    validation = len(labels.get("val_labels", ()))
    if validation:
        images["train_images"] = np.concatenate([images["train_images"], images.pop("val_images")])
    return Arrays(
        classes=_classes(path, labels),
        train_images=images["train_images"],
        train_labels=np.concatenate(
            [labels[name] for name in ("train_labels", "val_labels") if name in labels]
        ),
        test_images=images["test_images"],
        test_labels=labels["test_labels"],
        validation=validation,
        notes=[f"not used: {', '.join(others)}"] if others else [],
    )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with opened(path, links=True) as stored:
            check_here(path, stored.read(64))
            stored.seek(0)
            with np.load(stored, allow_pickle=False) as file:
                yield file
    except (
        OSError,
        EOFError,
        ValueError,
        TypeError,
        AttributeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise damaged(path, error) from error


def _checked(path: Path, file: Any, form: Form) -> tuple[Shapes, dict[str, Labels]]:
    """The shapes [N, H, W, C] of the images, by their headers, and all labels.

    Raises:
        UserError: an array is missing or of the wrong kind.
    """
    names = set(file.files)
    if missing := [name for name in NEEDED if name not in names]:
        raise UserError(f"{path} has no array {missing[0]!r}; it needs {', '.join(NEEDED)}")
    if len(names.intersection(VALIDATION)) == 1:
        there = names.intersection(VALIDATION).pop()
        raise UserError(f"{path} has {there} alone of {' and '.join(VALIDATION)}: it needs both or neither")
    arrays = NEEDED + VALIDATION if names.issuperset(VALIDATION) else NEEDED
    shapes = {
        name: _shape(f"{path}: {name}", *_header(file, name), form)
        for name in arrays
        if name.endswith("images")
    }
    for name, shape in shapes.items():
        if shape[1:] != shapes["train_images"][1:]:
            what = "validation" if name.startswith("val") else "test"
            raise UserError(f"{path}: training and {what} images differ in size or channels")
    in_memory = sum(
        kind.itemsize * math.prod(shape) for kind, shape in (_header(file, name) for name in arrays)
    )
    check_swollen(path, in_memory, path.stat().st_size)
    labels = {
        name: checked_labels(f"{path}: {name}", file[name], shapes[name.replace("labels", "images")][0])
        for name in arrays
        if name.endswith("labels")
    }
    return shapes, labels


def _header(file: Any, name: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Type and shape of an array, which is not read."""
    with file.zip.open(f"{name}.npy") as member:
        head = io.BytesIO(member.read(MOST_OF_HEAD))
    version = np.lib.format.read_magic(head)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read(head)
    return kind, shape


def _shape(where: str, kind: np.dtype[Any], given: tuple[int, ...], form: Form) -> tuple[int, ...]:
    shape = given if len(given) == 4 else (*given, 1)
    square = len(shape) == 4 and (shape[1] == shape[2] or bool(form.resize)) and shape[2] != shape[3]
    if kind not in (np.uint8, np.bool_) or not square or 0 in shape:
        raise UserError(
            f"{where} is {kind} {list(given)}, but must be uint8 [N, H, W] or [N, H, W, C] with "
            f"H = W{_likely(kind, shape)}"
        )
    return shape


def _likely(kind: np.dtype[Any], shape: tuple[int, ...]) -> str:
    """What the array probably is instead."""
    if kind.kind == "f":
        return "; numbers from 0 to 1 become bytes by (255 * images).round().astype('uint8')"
    if len(shape) == 5 or (len(shape) == 4 and shape[1] == shape[2] == shape[3]):
        return "; these seem to be volumes, which no model here takes"
    if len(shape) == 4 and shape[2] == shape[3]:
        return "; channels come last: images.transpose(0, 2, 3, 1)"
    if len(shape) == 4 and shape[1] != shape[2]:
        return "; the data set's option `resize: 32` makes them so"
    return ""


def _pixels(images: npt.NDArray[Any], form: Form) -> Images:
    if images.dtype == np.bool_:
        images = images * np.uint8(255)
    return form.images(images.reshape(*images.shape[:3], -1))


def _classes(path: Path, labels: Mapping[str, Labels]) -> int:
    others = {name: labels[name] for name in labels if name != "train_labels"}
    return count_classes(path, "train_labels", labels["train_labels"], others)
