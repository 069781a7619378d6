"""Figures' PNGs as pages show them: with fewer pixels and colours, a fraction of the size."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

PIXELS_PER_INCH = 200  # sharp on screens of twice the usual density


class SmallPng(NamedTuple):
    """A picture of 256 colours; `width` is that of the printed figure, in inches."""

    content: bytes
    width: float


def shrink(png: Path) -> SmallPng:
    """The picture in a file; the same bytes every time."""
    from PIL import Image

    with Image.open(png) as whole:
        inches = whole.width / float(whole.info.get("dpi", (300, 300))[0])
        picture = whole.convert("RGB")
    width = round(inches * PIXELS_PER_INCH)
    if picture.width > width:
        height = round(picture.height * width / picture.width)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    _of_few_colours(picture).save(file, "PNG")
    return SmallPng(file.getvalue(), inches)


def _of_few_colours(picture: Picture) -> Picture:
    """An RGB picture with a palette.

    Maximum coverage: colours of thin lines keep their look, which the median cut takes from them. A pass of
    k-means from there: so do large pale areas, which would otherwise get the tint of something near. Over
    colours, not over pixels as Pillow's own, which takes three times as long.
    """
    from PIL import Image

    first = picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).getpalette()
    palette = np.array(first, np.float32).reshape(-1, 3)
    pixels = np.asarray(picture, np.uint32).reshape(-1, 3) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    packed, places, counts = np.unique(pixels, return_inverse=True, return_counts=True)
    colours = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1).astype(np.float32)

    def nearest() -> NDArray[np.intp]:
        found: NDArray[np.intp] = ((palette**2).sum(1) - 2 * colours @ palette.T).argmin(1)
        return found

    mine = nearest()
    numbers = np.bincount(mine, counts, len(palette))
    for channel in range(3):
        sums = np.bincount(mine, counts * colours[:, channel], len(palette))
        np.divide(sums, numbers, out=palette[:, channel], where=numbers > 0, casting="same_kind")
    palette = palette.round()
    found = Image.frombytes("P", picture.size, nearest().astype(np.uint8)[places].tobytes())
    found.putpalette(palette.astype(np.uint8).tobytes())
    return found
