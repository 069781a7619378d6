"""The one place where a picture becomes pixels: as a person sees it, or not at all.

An orientation in the file is followed, a palette looked up, an opacity that hides nothing left out.
Refused is what no rule can turn into eight bits as a viewer shows them: more bits a channel, pixels
that let a ground shine through, the colours of print, several pictures in one file. Profiles of colour
are not applied.
"""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from regularize.data.form import MODES, Form
from regularize.data.source import Images, check_here
from regularize.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG")  # a telephone's JPEG may hide more pictures behind the first, which is the one
GREY = ("1", "L", "LA", "La")  # how Pillow names what it reads
COLOURED = ("RGB", "P", "RGBA", "PA", "RGBX")
MOST_PIXELS = 64_000_000  # of a picture; those of good cameras have 50 million
ORIENTATION = 0x0112  # the field of EXIF; 1 is upright
TURNED = "were turned upright, as their EXIF orientation says"
OPAQUE = "have an opacity that hides nothing, which was left out"
_PNG = b"\x89PNG\r\n\x1a\n"


def decode(content: bytes, where: object, form: Form, done: Counter[str]) -> Images:
    """The pixels [H, W, C] of a PNG or JPEG file's content, upright and in the form asked for.

    `where` names it in errors; what was done to it is counted in `done`, by sentence.

    Raises:
        UserError: it is damaged, or cannot be read as a person sees it.
    """
    with _named(where), _opened(content, where) as image:
        pixels = np.asarray(form.image(_opaque(_upright(image, done), where, done)))
    return pixels.reshape(*pixels.shape[:2], -1)


def look(content: bytes, where: object, form: Form) -> tuple[int, int, int]:
    """The shape [H, W, C] that `decode` would give, from the header; refuses what a header tells."""
    with _named(where), _opened(content, where) as image:
        width, height = image.size
        if image.format != "PNG" and image.getexif().get(ORIENTATION, 1) > 4:
            width, height = height, width
        channels = form.channels or (1 if image.mode in GREY else 3)
    return (form.resize or height, form.resize or width, channels)


def said(done: Counter[str], count: int) -> list[str]:
    """A sentence for each thing that was done to some of `count` images."""
    return [f"{number:,} of {count:,} images {what}" for what, number in sorted(done.items())]


def _opened(content: bytes, where: object) -> Any:
    from PIL import Image

    check_here(where, content)
    if content.startswith(_PNG) and content[24:25] == b"\x10":  # Pillow would keep the higher eight alone
        raise UserError(f"{where} has 16 bits a channel; save it with 8, having chosen which value is white")
    with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):  # as below
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    if image.width * image.height > MOST_PIXELS:
        size = f"{image.width} × {image.height} pixels"
        raise UserError(f"{where} has {size}, more than {MOST_PIXELS:,}: scale it down")
    if image.mode not in GREY + COLOURED:
        why = ", colours of print" if image.mode == "CMYK" else ""
        raise UserError(f"{where} has the mode {image.mode}{why}; save it as grey or RGB, 8 bits a channel")
    if getattr(image, "is_animated", False) and image.format == "PNG":
        raise UserError(f"{where} holds {getattr(image, 'n_frames', 2)} pictures; save the one that counts")
    return image


def _upright(image: Image, done: Counter[str]) -> Image:
    from PIL import ImageOps

    if image.getexif().get(ORIENTATION, 1) not in range(2, 9):
        return image
    done[TURNED] += 1
    return ImageOps.exif_transpose(image)


def _opaque(image: Image, where: object, done: Counter[str]) -> Image:
    """The image as L or RGB."""
    mode = MODES[1] if image.mode in GREY else MODES[3]
    if image.has_transparency_data:
        least, _ = image.convert("RGBA").getchannel("A").getextrema()
        if least != 255:
            raise UserError(
                f"{where} is transparent in places: what is seen depends on the ground; "
                "save it as grey or RGB on the ground that you mean"
            )
        done[OPAQUE] += 1
    return image.convert(mode)


@contextmanager
def _named(where: object) -> Iterator[None]:
    """Let what Pillow raises say which image it is about."""
    from PIL import Image

    try:
        yield
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{where} is damaged or not an image: {error}") from error
