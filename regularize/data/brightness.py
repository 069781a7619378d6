"""The range of pixels: that 255 is white, and the statistics that networks' inputs are normalised by."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from regularize.data.form import Form
from regularize.data.source import Arrays, Features
from regularize.errors import UserError

DARK = 32  # of 255: no set of pictures stays below, unless its numbers mean something else
AT_ONCE = 1000  # images whose statistics are taken together, so that memory stays small


def full_range(name: str, arrays: Arrays, form: Form) -> Arrays:
    """The same images with white at 255: those of 0 and 1 alone are taken for black and white.

    Raises:
        UserError: images so dark that their numbers must mean something else.
    """
    if arrays.train_images.dtype != np.uint8:
        return arrays
    most = {"training": int(arrays.train_images.max()), "test": int(arrays.test_images.max())}
    if min(most.values()) >= DARK:
        return arrays
    found = " and ".join(f"the brightest of the {part} images {value}" for part, value in most.items())
    if max(most.values()) > 1 or form:
        raise UserError(
            f"{name}: {found} of 255, which would be all but black; scale the numbers so that white is 255"
        )
    return dataclasses.replace(
        arrays,
        train_images=arrays.train_images * np.uint8(255),
        test_images=arrays.test_images * np.uint8(255),
        notes=[*arrays.notes, "pixels are 0 and 1 alone, which were taken for black and white (0 and 255)"],
    )


def statistics(name: str, images: Features) -> tuple[tuple[float, ...], tuple[float, ...]]:
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
