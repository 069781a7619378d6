"""Images as a film: MP4 where ffmpeg is there, GIF where it is not."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from regularize.errors import UserError
from regularize.store import write_whole

if TYPE_CHECKING:
    from PIL.Image import Image

FRAMES_A_SECOND = 10
HOLD = 20  # frames that the last image stays: two seconds
# Pixels that every player takes, which need even sides; no times or versions in the file.
_ENCODING = ("-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white", "-pix_fmt", "yuv420p")
_BITEXACT = ("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact")


def write_film(images: Sequence[Image], folder: Path, name: str) -> Path:
    """Write RGB images of one size as `<name>.mp4` or `<name>.gif`, and the last one as `<name>.png`.

    The same images give the same bytes (with the same ffmpeg or Pillow).

    Raises:
        UserError: ffmpeg is there, but does not make a film.
    """
    ffmpeg = shutil.which("ffmpeg")
    path = folder / f"{name}.{'mp4' if ffmpeg else 'gif'}"
    write_whole(path.with_suffix(".png"), lambda file: images[-1].save(file, format="png"))
    if ffmpeg:
        write_whole(path, lambda file: _write_mp4(ffmpeg, images, file))
    else:
        write_whole(path, lambda file: _write_gif(images, file))
    return path


def _write_mp4(ffmpeg: str, images: Sequence[Image], path: Path) -> None:
    width, height = images[0].size
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(FRAMES_A_SECOND)]
    command = [ffmpeg, "-v", "error", "-y", *raw, "-i", "-", *_ENCODING, *_BITEXACT, "-f", "mp4", str(path)]
    with tempfile.TemporaryFile() as pixels:
        for image in [*images, *[images[-1]] * HOLD]:
            pixels.write(image.tobytes())
        pixels.seek(0)
        done = subprocess.run(
            command, stdin=pixels, capture_output=True, text=True, errors="replace", check=False
        )
    if done.returncode:
        raise UserError(f"{ffmpeg} made no film: {done.stderr.strip()}")


def _write_gif(images: Sequence[Image], path: Path) -> None:
    """One palette for all images, so that colours do not flicker."""
    from PIL import Image

    palette = _palette(_side_by_side([images[0], images[len(images) // 2], images[-1]]))
    first, *rest = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    durations = [1000 // FRAMES_A_SECOND] * len(rest) + [1000 * HOLD // FRAMES_A_SECOND]
    first.save(path, format="gif", save_all=True, append_images=rest, duration=durations, loop=0)


def _palette(image: Image) -> Image:
    """The colours that stand for an image best, white being one of them."""
    from PIL import Image

    colours = image.quantize(255).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*colours[: 255 * 3], 255, 255, 255])
    return palette


def _side_by_side(images: Sequence[Image]) -> Image:
    from PIL import Image

    width, height = images[0].size
    whole = Image.new("RGB", (width * len(images), height))
    for place, image in enumerate(images):
        whole.paste(image, (place * width, 0))
    return whole
