"""Figures for the page: their PNG at a page's width, inside it, with the words that belong to them."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from regularize.store import read_json

_PIXELS_PER_INCH = 200  # sharp on screens of twice the usual density


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure of the page. `width` is that of the printed figure, in inches; `files` its other forms."""

    name: str
    source: str  # a data URI
    width: float
    alt: str
    caption: str
    files: list[tuple[str, str]]


def picture(pdf: Path) -> Picture:
    """The figure whose PDF this is, with what stands beside it."""
    from PIL import Image

    words = read_json(pdf.with_suffix(".json"))
    with Image.open(pdf.with_suffix(".png")) as image:
        inches = image.width / float(image.info.get("dpi", (300, 300))[0])
        width = min(image.width, round(inches * _PIXELS_PER_INCH))
        size = (width, round(image.height * width / image.width))
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return Picture(
        name=pdf.stem,
        source=f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}",
        width=inches,
        alt=words["alt"],
        caption=words["caption"],
        files=[(kind.upper(), f"{pdf.parent.name}/{pdf.stem}.{kind}") for kind in ("pdf", "csv", "json")],
    )
