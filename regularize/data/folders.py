"""A data set of one's own as images: `<root>/<name>/{train,test}/<class>/<image>.png|jpg|jpeg`.

The classes are the folders' names, sorted; the images of a class are sorted by name. All must
be square and of one size, and either all grey or all in colour.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from regularize.data.source import Arrays, Images, Labels, Source
from regularize.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg")
MODES = {"1": "L", "L": "L", "P": "RGB", "RGB": "RGB"}  # how Pillow names what it reads → what is kept
Listing = dict[str, list[Path]]  # class → images


def source(folder: Path) -> Source:
    """The images below `folder`.

    Raises:
        UserError: the two parts have different classes, a class is empty, a file is no image.
    """
    train, test = _listing(folder / "train"), _listing(folder / "test")
    if odd := sorted(train.keys() ^ test.keys()):
        part = "train" if odd[0] in train else "test"
        raise UserError(f"{folder}: class {odd[0]!r} is only in {part}; both parts need the same")
    files = tuple(path for part in (train, test) for paths in part.values() for path in paths)
    return Source(files=files, read=partial(_read, train, test))


def _listing(folder: Path) -> Listing:
    listing = {path.name: _visible(path) for path in _visible(folder)}
    for name, paths in listing.items():
        if not paths:
            raise UserError(f"{folder / name} has no images")
        for path in paths:
            if not path.name.lower().endswith(SUFFIXES):
                raise UserError(f"{path} is not an image this reads; only {', '.join(SUFFIXES)} belong here")
    if not listing:
        raise UserError(f"{folder} has no folders; it needs one for each class")
    return listing


def _visible(folder: Path) -> list[Path]:
    try:
        visible = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror}") from error
    return sorted(visible, key=lambda path: path.name)


def _read(train: Listing, test: Listing) -> Arrays:
    first = next(iter(train.values()))[0]
    shape = _decode(first).shape
    if shape[0] != shape[1]:
        raise UserError(f"{first} is {_words(shape)}; images must be square")
    train_images, train_labels = _stack(train, first, shape)
    test_images, test_labels = _stack(test, first, shape)
    return Arrays(
        classes=len(train),
        class_names=list(train),
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
    )


def _stack(listing: Listing, first: Path, shape: tuple[int, ...]) -> tuple[Images, Labels]:
    paths = [path for paths in listing.values() for path in paths]
    images = np.empty((len(paths), *shape), dtype=np.uint8)
    for row, path in zip(images, paths, strict=True):
        image = _decode(path)
        if image.shape != shape:
            raise UserError(f"{path} is {_words(image.shape)}, but {first} is {_words(shape)}")
        row[:] = image
    labels = np.repeat(np.arange(len(listing)), [len(paths) for paths in listing.values()])
    return images, labels.astype(np.int64)


def _decode(path: Path) -> npt.NDArray[np.uint8]:
    """[H, W, C], C being 1 (grey) or 3."""
    from PIL import Image

    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            if image.mode not in MODES:
                raise UserError(f"{path} has the mode {image.mode}; save it as grey or RGB, 8 bits a channel")
            pixels = np.asarray(image.convert(MODES[image.mode]))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} is damaged or not an image: {error}") from error
    return pixels.reshape(*pixels.shape[:2], -1)


def _words(shape: tuple[int, ...]) -> str:
    height, width, channels = shape
    return f"{height} × {width} pixels, {'grey' if channels == 1 else 'in colour'}"
