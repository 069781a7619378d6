"""Every picture as a person sees it, or refused."""

from __future__ import annotations

import io
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regularize.data import load
from regularize.data.decode import decode, look
from regularize.data.form import Form
from regularize.data.prepare import prepared
from regularize.errors import UserError

RANDOM = np.random.default_rng(0)
PICTURE = np.kron(RANDOM.integers(0, 256, (2, 2, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
# What a camera stores of a picture for each orientation of EXIF (its 1 … 8), by that standard's words:
# where the 0th row and the 0th column of what is stored are seen.
STORED = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: np.rot90(p, 1),
    7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
    8: lambda p: np.rot90(p, -1),
}


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def turned(orientation: int, kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](PICTURE)))
    return encoded(stored, kind, exif=exif, **({"quality": 100, "subsampling": 0} if kind == "JPEG" else {}))


def pixels(content: bytes, form: Form | None = None) -> np.ndarray:
    return decode(content, "here", form or Form(), Counter())


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_picture_is_upright_however_the_camera_was_held(orientation: int, kind: str) -> None:
    done: Counter[str] = Counter()
    found = decode(turned(orientation, kind), "here", Form(), done)
    assert np.abs(found.astype(int) - PICTURE).max() <= (2 if kind == "JPEG" else 0)
    assert sum(done.values()) == (orientation != 1)


def test_the_header_of_a_turned_picture_gives_its_upright_size() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(Image.new("RGB", (30, 20)), "JPEG", exif=exif)
    assert look(content, "here", Form()) == pixels(content).shape == (30, 20, 3)
    assert look(content, "here", Form(resize=8, channels=1)) == (8, 8, 1)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def deep_png(colour: int, *, bits: int = 16, used: int = 10) -> bytes:
    """A PNG of 4 × 4 with `used` of its 16 bits a channel, as a microscope's camera writes it."""
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    values = RANDOM.integers(0, 2**used, (4, 4 * channels), dtype=np.uint16).astype(">u2")
    lines = b"".join(b"\0" + row.tobytes() for row in values)
    header = struct.pack(">IIBBBBB", 4, 4, bits, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("colour", [0, 2, 4, 6], ids=["grey", "rgb", "grey+alpha", "rgba"])
def test_sixteen_bits_a_channel_are_refused_whatever_pillow_makes_of_them(colour: int) -> None:
    content = deep_png(colour)
    Image.open(io.BytesIO(content)).load()  # a good file, which Pillow reads
    for read in (decode, look):
        arguments = (content, "cells/3.png", Form()) + ((Counter(),) if read is decode else ())
        with pytest.raises(UserError, match=r"cells/3\.png has 16 bits a channel; save it with 8"):
            read(*arguments)


def palette(colours: list[tuple[int, int, int]], **info: object) -> bytes:
    image = Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4) % len(colours), "L").convert("P")
    image.putpalette([value for colour in colours for value in colour])
    image.putdata([i % len(colours) for i in range(16)])
    return encoded(image, **info)


def test_a_palette_is_looked_up() -> None:
    colours = [(255, 0, 0), (0, 128, 9), (7, 7, 200), (1, 2, 3)]
    expected = np.array([colours[i % 4] for i in range(16)], np.uint8).reshape(4, 4, 3)
    np.testing.assert_array_equal(pixels(palette(colours)), expected)
    with pytest.raises(UserError, match="transparent in places"):
        pixels(palette(colours, transparency=2))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_an_opacity_that_hides_nothing_is_left_out_and_another_refused(mode: str) -> None:
    grey = RANDOM.integers(0, 256, (5, 5), dtype=np.uint8)
    image = Image.fromarray(grey).convert(mode)
    done: Counter[str] = Counter()
    found = decode(encoded(image), "here", Form(), done)
    np.testing.assert_array_equal(found, np.repeat(grey[..., None], 1 if mode == "LA" else 3, axis=-1))
    assert list(done.values()) == [1]
    image.putalpha(Image.fromarray(np.where(np.eye(5, dtype=bool), 254, 255).astype(np.uint8)))
    with pytest.raises(UserError, match="here is transparent in places"):
        pixels(encoded(image))


def test_black_and_white_of_one_bit() -> None:
    image = Image.fromarray(np.eye(6, dtype=bool))
    np.testing.assert_array_equal(pixels(encoded(image))[..., 0], 255 * np.eye(6, dtype=np.uint8))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (encoded(Image.new("CMYK", (4, 4)), "JPEG"), "mode CMYK, colours of print"),
        (encoded(Image.new("RGB", (4, 4)), "GIF"), "damaged or not an image"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS's pointer"),
        (b"", "damaged or not an image"),
        (
            encoded(Image.new("L", (4, 4)), save_all=True, append_images=[Image.new("L", (4, 4), 9)]),
            "holds 2 pictures",
        ),
    ],
)
def test_what_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(UserError, match=f"^here .*{words}"):
        pixels(content)


def test_a_telephone_s_second_picture_is_not_in_the_way() -> None:
    first, second = Image.new("RGB", (8, 8), (200, 10, 10)), Image.new("RGB", (8, 8))
    content = encoded(first, "MPO", save_all=True, append_images=[second])
    assert pixels(content)[0, 0, 0] > 150


def test_forms_agree_with_torchvision() -> None:
    from torchvision.transforms import v2

    picture = Image.fromarray(RANDOM.integers(0, 256, (40, 60, 3), dtype=np.uint8))
    resized = v2.CenterCrop(16)(v2.Resize(16)(picture))
    found = pixels(encoded(picture), Form(resize=16)).astype(int)
    assert found.shape == (16, 16, 3)
    assert np.abs(found - np.asarray(resized)).mean() < 2  # the crop may fall between two pixels
    grey = pixels(encoded(picture), Form(channels=1))[..., 0]
    np.testing.assert_array_equal(grey, np.asarray(v2.Grayscale()(picture)))
    threefold = Form(channels=3).images(grey[None, :, :, None])
    np.testing.assert_array_equal(threefold[0], np.repeat(grey[..., None], 3, axis=-1))


Make = Callable[[Path, int], object]


def images(root: Path, make: Make, count: int = 4) -> Path:
    """The image folder `own` of two classes, each image written by `make(path without ending, number)`."""
    for part in ("train", "test"):
        for name in ("no", "yes"):
            folder = root / "own" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                make(folder / f"{number}", number)
    return root / "own"


def test_half_of_a_folder_turned_is_read_upright_and_said(tmp_path: Path) -> None:
    def make(path: Path, number: int) -> None:
        path.with_suffix(".png").write_bytes(turned(6 if number % 2 else 1, "PNG"))

    images(tmp_path, make)
    own = load("own", tmp_path)
    assert all(np.array_equal(image, PICTURE) for image in own.train_images.numpy())
    assert (
        "8 of 16 images were turned upright, as their EXIF orientation says"
        in prepared("own", tmp_path).notes
    )


def test_pictures_of_zeros_and_ones_are_black_and_white(tmp_path: Path) -> None:
    masks = RANDOM.integers(0, 2, (24, 6, 6), dtype=np.uint8)
    labels = np.arange(24) % 3
    given = {
        "train_images": masks,
        "train_labels": labels,
        "test_images": masks[:6],
        "test_labels": labels[:6],
    }
    np.savez(tmp_path / "own.npz", **given)
    own = load("own", tmp_path)
    np.testing.assert_array_equal(own.train_images[..., 0].numpy(), 255 * masks)
    np.testing.assert_array_equal(own.test_images[..., 0].numpy(), 255 * masks[:6])
    assert own.mean == pytest.approx([masks.mean()])
    assert any("taken for black and white" in note for note in prepared("own", tmp_path).notes)
    for scale, train in ((16, True), (1, False)):
        part = "train_images" if train else "test_images"
        np.savez(
            tmp_path / "own.npz",
            **given | {"train_images": 255 * masks, part: scale * masks[: len(given[part])]},
        )
        with pytest.raises(UserError, match=f"own: .* {scale} .*scale the numbers so that white is 255"):
            load("own", tmp_path)


def test_booleans_are_black_and_white(tmp_path: Path) -> None:
    masks, labels = RANDOM.integers(0, 2, (8, 5, 5)).astype(bool), np.arange(8) % 2
    np.savez(
        tmp_path / "own.npz", train_images=masks, train_labels=labels, test_images=masks, test_labels=labels
    )
    np.testing.assert_array_equal(load("own", tmp_path).train_images[..., 0].numpy(), 255 * masks)


@pytest.mark.parametrize("name", [".{}.png.icloud", "{}.png.nextcloud"])
def test_files_that_a_cloud_has_put_away_are_missed(tmp_path: Path, name: str) -> None:
    def make(path: Path, number: int) -> None:
        Image.fromarray(PICTURE).save(path.with_suffix(".png"))

    folder = images(tmp_path, make) / "train" / "yes"
    for number in (1, 3):
        (folder / f"{number}.png").rename(folder / name.format(number))
    with pytest.raises(UserError, match=r"train/yes/.*put away, one of 2 here: have them downloaded"):
        load("own", tmp_path)
