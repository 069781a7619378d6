"""What a sweep may ask of any data set: the form of its images, by `resize:` and `channels:`.

Free of numpy, for those who only read sweeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from regularize.errors import UserError, require

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

MODES = {1: "L", 3: "RGB"}  # Pillow's names


@dataclass(frozen=True, kw_only=True)
class Form:
    """`resize` pixels a side and `channels` (1: grey, 3: in colour); None leaves them as they are.

    An image is scaled until its shorter side has that many pixels, and the middle of the longer one
    is kept, as torchvision's Resize and CenterCrop do: bilinear, and averaging where it gets smaller.
    Grey is the luma of ITU-R 601; a grey image in colour has three equal channels.
    """

    resize: int | None = None
    channels: int | None = None

    def __post_init__(self) -> None:
        size, channels = self.resize, self.channels
        require(size is None or 2 <= size <= 512, "resize", size, "between 2 and 512 pixels")
        require(channels is None or channels in MODES, "channels", channels, "1 (grey) or 3 (in colour)")

    def __bool__(self) -> bool:
        return self != Form()

    @property
    def suffix(self) -> str:
        """What the folder of a set that was prepared in this form has behind the set's name."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        return "".join(f",{name}={value}" for name, value in given.items())

    @property
    def words(self) -> str:
        size = f"scaled to {self.resize} × {self.resize} pixels" if self.resize else ""
        colour = {None: "", 1: "made grey", 3: "given three channels"}[self.channels]
        return " and ".join(word for word in (size, colour) if word)

    def image(self, image: Image) -> Image:
        """One image of mode L or RGB in this form."""
        if self.channels:
            image = image.convert(MODES[self.channels])
        if self.resize and image.size != (self.resize, self.resize):
            image = _scaled(image, self.resize)
        return image

    def images(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Images [N, H, W, C] in this form.

        Raises:
            UserError: they have neither one nor three channels, or are points.
        """
        if not self:
            return images
        import numpy as np
        from PIL import Image

        if images.ndim != 4 or images.shape[-1] not in MODES:
            raise UserError(f"only images of 1 or 3 channels can be {self.words}, not {list(images.shape)}")
        count, *size, channels = images.shape
        size = [self.resize, self.resize] if self.resize else size
        formed = np.empty((count, *size, self.channels or channels), np.uint8)
        grey = images.shape[-1] == 1
        for row, pixels in zip(formed, images, strict=True):
            image = self.image(Image.fromarray(pixels[..., 0] if grey else pixels))
            row[:] = np.asarray(image).reshape(row.shape)
        return formed


def _scaled(image: Image, side: int) -> Image:
    from PIL import ImageOps
    from PIL.Image import Resampling

    return ImageOps.fit(image, (side, side), Resampling.BILINEAR)
