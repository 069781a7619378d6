"""Pictures of figures as pages show them: with fewer pixels and colours, a fraction of the size."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from regularize.opened import read_whole

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

PIXELS_PER_INCH = 200  # sharp on screens of twice the usual density


class SmallPng(NamedTuple):
    """A picture of 256 colours; `width` is that of the printed figure, in inches."""

    content: bytes
    width: float


def shrink(png: Path) -> SmallPng:
    """The picture in a file, which may be small already; the same bytes every time."""
    from PIL import Image

    with Image.open(png) as whole:
        inches = whole.width / float(whole.info.get("dpi", (300, 300))[0])
        width = round(inches * PIXELS_PER_INCH)
        if whole.mode == "P" and whole.width <= width:
            return SmallPng(read_whole(png), inches)
        picture = whole.convert("RGB")
    if picture.width > width:
        height = round(picture.height * width / picture.width)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    _of_few_colours(np.asarray(picture.convert("RGBA"))).save(file, "PNG")
    return SmallPng(file.getvalue(), inches)


def write_small(pixels: NDArray[np.uint8], path: Path) -> None:
    """Write a picture that was drawn with `PIXELS_PER_INCH`, [height, width, RGBA], opaque."""
    _of_few_colours(pixels).save(path, "PNG", dpi=(PIXELS_PER_INCH, PIXELS_PER_INCH))


def _of_few_colours(pixels: NDArray[np.uint8]) -> Picture:
    """A picture [height, width, RGBA], opaque, with a palette.

    Maximum coverage: colours of thin lines keep their look, which the median cut takes from them. A pass of
    k-means from there: so do large pale areas, which would otherwise get the tint of something near. Over
    colours, not over pixels, of which most are those of the paper.
    """
    from PIL import Image

    packed = np.ascontiguousarray(pixels).view(np.uint32).ravel()
    paper = packed[:1]
    ink = np.flatnonzero(packed != paper)
    found, places, numbers = np.unique(packed[ink], return_inverse=True, return_counts=True)
    counts = np.append(numbers, len(packed) - len(ink))
    colours = np.append(found, paper).view(np.uint8).reshape(-1, 4)[:, :3]
    few = Image.fromarray(colours[None])
    first = few.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).getpalette()
    palette = np.array(first, np.float32).reshape(-1, 3)
    colours = colours.astype(np.float32)

    def nearest() -> NDArray[np.intp]:
        found: NDArray[np.intp] = ((palette**2).sum(1) - 2 * colours @ palette.T).argmin(1)
        return found

    mine = nearest()
    sizes = np.bincount(mine, counts, len(palette))
    for channel in range(3):
        sums = np.bincount(mine, counts * colours[:, channel], len(palette))
        np.divide(sums, sizes, out=palette[:, channel], where=sizes > 0, casting="same_kind")
    palette = palette.round()
    mine = nearest()
    shown = np.full(len(packed), mine[-1], np.uint8)
    shown[ink] = mine[places]
    picture = Image.frombytes("P", pixels.shape[1::-1], shown.tobytes())
    picture.putpalette(palette.astype(np.uint8).tobytes())
    return picture
