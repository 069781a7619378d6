"""A data set of one's own as images: `<root>/<name>/{train,test}/<class>/<image>.png|jpg|jpeg`.

Beside them there may be `val/` (or `valid/`, `validation/`), which becomes the validation part. The
classes are the folders' names, sorted; the images of a class are sorted by name. All must be square
and of one size, and either all grey or all in colour, unless a sweep says `resize:` and `channels:`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from regularize.data import decode
from regularize.data.form import Form
from regularize.data.listing import composed, litter, visible
from regularize.data.source import Arrays, Facts, Images, Labels, Source, read_bytes
from regularize.errors import UserError
from regularize.opened import opened

SUFFIXES = (".png", ".jpg", ".jpeg")
VALIDATION = ("val", "valid", "validation")  # what its folder may be called
HEADER = 1 << 16  # bytes of a file that hold what `look` asks for; where they do not, all are read
Listing = dict[str, list[Path]]  # class → images
Parts = Mapping[str, Listing]  # train, test and maybe validation


def source(folder: Path) -> Source:
    """The images below `folder`, which are not listed before they are asked for.

    Raises:
        UserError: there are two folders of validation images.
    """
    places = {"train": folder / "train", "test": folder / "test"}
    own = [folder / name for name in VALIDATION if (folder / name).is_dir()]
    if len(own) > 1:
        raise UserError(f"{folder} has two validation parts, {own[0].name}/ and {own[1].name}/: remove one")
    if own:
        places["validation"] = own[0]

    def files() -> list[Path]:
        parts = _listed(folder, places)
        return [path for part in parts for path in _files(parts, part)]

    return Source(
        watched=(folder, *places.values()),
        files=files,
        look=lambda form: _look(_listed(folder, places), form),
        read=partial(_read, folder, places),
    )


def _listed(folder: Path, places: Mapping[str, Path]) -> Parts:
    """The images of every part.

    Raises:
        UserError: the parts have different classes, a class is empty, a file is no image.
    """
    parts = {part: _listing(place) for part, place in places.items()}
    for part, listing in parts.items():
        if odd := sorted(listing.keys() ^ parts["train"].keys()):
            there, other = (part, "train") if odd[0] in listing else ("train", part)
            alike = [name for name in parts[other] if name.casefold() == odd[0].casefold()]
            hint = f" ({other} has {alike[0]!r})" if alike else ""
            raise UserError(
                f"{folder}: class {odd[0]!r} is only in {places[there].name}{hint}; all parts need the same"
            )
    return parts


def _listing(folder: Path) -> Listing:
    listing: Listing = {}
    for entry in visible(folder):
        if not entry.is_dir():
            why = "; tables of labels are not read" if entry.name.lower().endswith((".csv", ".tsv")) else ""
            raise UserError(
                f"{folder / entry.name} is a file where each class has a folder of its images{why}"
            )
        name = composed(entry.name)
        if name in listing:
            raise UserError(
                f"{folder} has the class {name!r} twice, in two spellings of Unicode that look alike "
                "(composed and not): move the images into one folder"
            )
        listing[name] = _pictures(folder / entry.name)
    if not listing:
        raise UserError(f"{folder} has no folders; it needs one for each class")
    return dict(sorted(listing.items()))


def _pictures(folder: Path) -> list[Path]:
    paths = [folder / entry.name for entry in visible(folder)]
    if not paths:
        raise UserError(f"{folder} has no images")
    for path in paths:
        if not path.name.lower().endswith(SUFFIXES):
            raise UserError(f"{path} is not an image this reads; only {', '.join(SUFFIXES)} belong here")
    return paths


def _files(parts: Parts, part: str) -> list[Path]:
    return [path for paths in parts.get(part, {}).values() for path in paths]


def _look(parts: Parts, form: Form) -> Facts:
    """What the first image of every class and part says by its header."""
    firsts = [paths[0] for listing in parts.values() for paths in listing.values()]
    shapes = {path: _header(path, form) for path in firsts}
    for path, shape in shapes.items():
        check_shape(path, shape, firsts[0], shapes[firsts[0]])
    counts = {part: sum(map(len, listing.values())) for part, listing in parts.items()}
    side, _, channels = shapes[firsts[0]]
    return Facts(
        train=counts["train"],
        validation=counts.get("validation", 0),
        test=counts["test"],
        classes=len(parts["train"]),
        side=side,
        channels=channels,
        smallest=min(map(len, parts["train"].values())),
    )


def _header(path: Path, form: Form) -> tuple[int, int, int]:
    try:
        with opened(path, links=True) as file:
            return decode.look(file.read(HEADER), path, form)
    except (UserError, OSError):
        return decode.look(read_bytes(path), path, form)


def _read(folder: Path, places: Mapping[str, Path], form: Form) -> Arrays:
    parts = _listed(folder, places)
    train = [*_files(parts, "train"), *_files(parts, "validation")]
    test = _files(parts, "test")
    done: Counter[str] = Counter()
    images = partial(_images, first=train[0], form=form, done=done)
    train_images, test_images = images(train), images(test)
    return Arrays(
        classes=len(parts["train"]),
        class_names=list(parts["train"]),
        train_images=train_images,
        train_labels=np.concatenate([_labels(parts, "train"), _labels(parts, "validation")]),
        test_images=test_images,
        test_labels=_labels(parts, "test"),
        validation=len(_files(parts, "validation")),
        notes=[*decode.said(done, len(train) + len(test)), *_aside(folder, places)],
        train_names=[str(path)[len(str(folder)) + 1 :] for path in train],
        test_names=[str(path)[len(str(folder)) + 1 :] for path in test],
    )


def _images(paths: Sequence[Path], first: Path, form: Form, done: Counter[str]) -> Images:
    shape = decode.decode(read_bytes(first), first, form, Counter()).shape
    images = np.empty((len(paths), *shape), dtype=np.uint8)
    for row, path in zip(images, paths, strict=True):
        image = decode.decode(read_bytes(path), path, form, done)
        check_shape(path, image.shape, first, shape)
        row[:] = image
    return images


def _labels(parts: Parts, part: str) -> Labels:
    counts = [len(paths) for paths in parts.get(part, {}).values()]
    return np.repeat(np.arange(len(counts)), counts).astype(np.int64)


def check_shape(where: object, shape: tuple[int, ...], first: object, wanted: tuple[int, ...]) -> None:
    """Refuse an image of another shape [H, W, C] than the first's, or one that is not square.

    Raises:
        UserError: says which options of the data set would help.
    """
    if shape[0] != shape[1]:
        raise UserError(f"{where} is {_words(shape)}; images must be square, or `resize: 32` makes them so")
    if shape != wanted:
        option = "resize: 32" if shape[:2] != wanted[:2] else "channels: 1` or `channels: 3"
        raise UserError(
            f"{where} is {_words(shape)}, but {first} is {_words(wanted)}; the data set's option `{option}` "
            "makes them alike"
        )


def _words(shape: tuple[int, ...]) -> str:
    height, width, channels = shape
    return f"{height} × {width} pixels, {'grey' if channels == 1 else 'in colour'}"


def _aside(folder: Path, places: Mapping[str, Path]) -> list[str]:
    """Sentences on what else is there."""
    used = {place.name for place in places.values()}
    others = [entry.name + "/" * entry.is_dir() for entry in visible(folder) if entry.name not in used]
    folders = [folder, *places.values()]
    folders += [Path(entry.path) for place in places.values() for entry in visible(place)]
    spellings = {
        composed(entry.name)
        for place in places.values()
        for entry in visible(place)
        if entry.name != composed(entry.name)
    }
    return [
        *([f"not used: {', '.join(others)}"] if others else []),
        *litter(folders),
        *(
            f"class {name!r} is spelled in two ways of Unicode, which were taken for one"
            for name in spellings
        ),
    ]
