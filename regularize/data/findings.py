"""What can be seen once a data set is decoded, and had better be known before it is trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from regularize.data.source import Arrays, Features

UNEQUAL = 5  # times as many images as the smallest class has: then classes are of very unequal size
Hashes = npt.NDArray[np.uint64]  # [N]


def findings(arrays: Arrays, class_names: Sequence[str]) -> list[str]:
    """Sentences on examples that stand in two parts or twice in one, and on the sizes of the classes."""
    return [*_repeated(arrays), *_classes(arrays, class_names)]


def hashes(images: Features) -> Hashes:
    """A number for each example; equal ones have equal numbers."""
    rows = images.reshape(len(images), -1)
    digests = (hashlib.blake2b(row.data, digest_size=8).digest() for row in rows)
    return np.fromiter((int.from_bytes(digest, "big") for digest in digests), np.uint64, len(rows))


def _repeated(arrays: Arrays) -> Iterator[str]:
    known, count = hashes(arrays.train_images), arrays.facts.train
    train, test = known[:count], hashes(arrays.test_images)
    labels = arrays.train_labels
    parts = [("test", test, arrays.test_labels, arrays.test_names)]
    if arrays.validation:
        parts.insert(0, ("validation", known[count:], labels[count:], arrays.train_names[count:]))
    for part, numbers, classes, names in parts:
        twins = _twins(train, numbers)
        there = np.flatnonzero(twins >= 0)
        if len(there):
            example = _call(names, there[0], part)
            twin = _call(arrays.train_names, twins[there[0]], "training")
            other = int((labels[twins[there]] != classes[there]).sum())
            yield (
                f"{len(there):,} of {len(numbers):,} {part} images also stand in the training part, the "
                f"first as {example} and {twin}{_differ(other)}"
            )
    _, firsts, positions = np.unique(train, return_index=True, return_inverse=True)
    if copies := len(train) - len(firsts):
        other = int((labels[:count] != labels[firsts[positions]]).sum())
        yield f"{copies:,} of {count:,} training images are copies of others there{_differ(other)}"


def _twins(train: Hashes, numbers: Hashes) -> npt.NDArray[np.int64]:
    """For each number the first row of `train` that has it, else −1."""
    order = train.argsort(kind="stable")
    places = np.searchsorted(train[order], numbers).clip(max=len(train) - 1)
    rows = order[places]
    return np.where(train[rows] == numbers, rows, -1)


def _call(names: Sequence[str], row: int, part: str) -> str:
    return names[row] if names else f"{part} image {row}"


def _differ(count: int) -> str:
    return f", {count:,} of them with another class" if count else ""


def _classes(arrays: Arrays, class_names: Sequence[str]) -> Iterator[str]:
    counts = np.bincount(arrays.train_labels[: arrays.facts.train], minlength=arrays.classes)
    tested = np.bincount(arrays.test_labels, minlength=arrays.classes)
    small, large = int(counts.argmin()), int(counts.argmax())
    if counts[large] >= UNEQUAL * counts[small]:
        yield (
            f"classes have from {counts[small]:,} ({_class(class_names, small)}) to {counts[large]:,} "
            f"({_class(class_names, large)}) training images; always answering {_class(class_names, large)} "
            f"would be right for {tested[large] / tested.sum():.1%} of the test images"
        )
    if missing := np.flatnonzero(tested == 0).tolist():
        named = ", ".join(_class(class_names, number) for number in missing[:10])
        yield f"no test image has class {named}{' …' if len(missing) > 10 else ''}"


def _class(names: Sequence[str], number: int) -> str:
    return names[number] if names else str(number)
