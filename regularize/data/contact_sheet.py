"""A contact sheet: some images of every class and part, as the network sees them before normalisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from regularize.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

EACH = {"training": 8, "validation": 3, "test": 3}  # images of a class
MOST_CLASSES = 40
SIDE = 64  # pixels that an image takes about, enlarged by a whole number
GAP, EDGE, TEXT = 4, 12, 15
GROUND, INK = (255, 255, 255), (30, 30, 30)
Part = tuple[npt.NDArray[Any], npt.NDArray[Any]]  # images [N, H, W, C] and labels [N]


def draw(parts: Mapping[str, Part], class_names: Sequence[str]) -> Image:
    """A row for each class, its first images of each part side by side.

    Raises:
        UserError: the examples are points.
    """
    from PIL import Image, ImageDraw, ImageFont

    images, labels = next(iter(parts.values()))
    if images.ndim != 4:
        raise UserError("these are points, no images that could be shown")
    classes = range(min(int(labels.max()) + 1, MOST_CLASSES))
    cell = max(1, SIDE // images.shape[1]) * images.shape[1]
    font = ImageFont.load_default(TEXT - 3)
    names = {number: _name(class_names, number) for number in classes}
    margin = EDGE + int(max(font.getlength(name) for name in names.values())) + GAP
    columns, width = {}, margin
    for part in parts:
        columns[part] = width
        width += EACH[part] * (cell + GAP) + EDGE
    sheet = Image.new("RGB", (width, 2 * EDGE + TEXT + len(classes) * (cell + GAP)), GROUND)
    pen = ImageDraw.Draw(sheet)
    for part, left in columns.items():
        pen.text((left, EDGE), part, INK, font)
    for row, number in enumerate(classes):
        top = EDGE + TEXT + GAP + row * (cell + GAP)
        pen.text((EDGE, top + cell // 2), names[number], INK, font, anchor="lm")
        for part, (images, labels) in parts.items():
            chosen = np.flatnonzero(np.asarray(labels) == number)[: EACH[part]]
            for place, pixels in enumerate(np.asarray(images[index]) for index in chosen):
                picture = _picture(pixels).resize((cell, cell), Image.Resampling.NEAREST)
                sheet.paste(picture, (columns[part] + place * (cell + GAP), top))
    return sheet


def _name(names: Sequence[str], number: int) -> str:
    name = names[number] if names else str(number)
    return name if len(name) <= 24 else f"{name[:23]}…"


def _picture(pixels: npt.NDArray[np.uint8]) -> Image:
    """Of 1 or 3 channels; of others the first as grey, since they have no colours of their own."""
    from PIL import Image

    return Image.fromarray(pixels if pixels.shape[-1] == 3 else pixels[..., 0])
