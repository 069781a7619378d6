"""Figures' PNGs as pages show them: with fewer pixels and colours, a fraction of the size."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

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
    # Maximum coverage: colours of thin lines keep their look, which the median cut takes from them. A pass of
    # k-means from there: so do large pale areas, which would otherwise get the tint of something near.
    palette = picture.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    palette.save(file, "PNG")
    return SmallPng(file.getvalue(), inches)
