"""What is in a PDF that matplotlib wrote."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator


def streams(pdf: bytes) -> Iterator[bytes]:
    """A PDF's text, and its compressed streams where they can be decompressed."""
    yield pdf
    for match in re.finditer(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            yield zlib.decompress(match[1])
        except zlib.error:
            continue


def drawn(pdf: bytes) -> tuple[int, int]:
    """How many images are placed on the page, and how many other things: lines, curves, markers."""
    (page,) = (data for data in streams(pdf) if data.startswith(b"/DeviceRGB"))
    images = len(re.findall(rb"/I\d+ Do\b", page))
    return images, len(re.findall(rb"\b(?:Do|l|c|re|h)\n", page)) - images
