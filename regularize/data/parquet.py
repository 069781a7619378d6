"""An image data set of the Hugging Face hub as it is downloaded: Parquet files in `<root>/<name>/`.

They are `train-*.parquet` and `test-*.parquet`, there or in one folder of it (`data/`, or one by the name
of a configuration); `validation-*.parquet` (or `valid-`, `val-`) becomes the validation part. One column
has the images, as {bytes, path}, and one the labels; the schema's metadata says which, and what the
classes are called.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from regularize.data import decode
from regularize.data.folders import check_shape
from regularize.data.form import Form
from regularize.data.labels import checked_labels, count_classes
from regularize.data.source import (
    Arrays,
    Facts,
    Images,
    Labels,
    MissingDataError,
    Source,
    check_here,
    check_swollen,
    damaged,
    fewest,
)
from regularize.errors import UserError
from regularize.opened import opened
from regularize.tables import arrow_file, swollen
from regularize.whole_files import parsed

if TYPE_CHECKING:
    import pyarrow as pa

PARTS = {"train": ("train",), "test": ("test",), "validation": ("validation", "valid", "val")}
LABELS = ("label", "labels", "fine_label")  # preferred where several columns have classes
AT_ONCE = 256  # images that are read together
MOST_AT_ONCE = 2**26  # bytes that these may come to where values are stored once for several
AS_LONG = frozenset({"PLAIN", "RLE", "BIT_PACKED"})  # encodings that take as many bytes as the values have
Files = Mapping[str, Sequence[Path]]  # by part


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns count. `classes` are the names of the label's, empty where the file has none."""

    image: str
    label: str
    classes: tuple[str, ...]
    others: tuple[str, ...]


def holds(folder: Path) -> bool:
    """Whether there are such files; by their names."""
    return bool(_places(folder))


def source(folder: Path) -> Source:
    """The Parquet files of `folder`.

    Raises:
        MissingDataError: there are none for training or none for testing.
        UserError: several folders have some.
    """
    places = _places(folder)
    if len(places) != 1:
        found = ", ".join(str(place) for place in places)
        raise UserError(f"{folder} has training files in several folders, {found}: keep those of one")
    files = _found(places[0])
    for part in ("train", "test"):
        if not files.get(part):
            raise MissingDataError(f"{places[0]} has no {part}-*.parquet")
    every = [path for paths in files.values() for path in paths]
    return Source.of(every, look=partial(_look, files), read=partial(_read, folder, files))


def _places(folder: Path) -> list[Path]:
    """The folders that have training files: itself, or some in it."""
    return sorted({path.parent for pattern in ("", "*/") for path in folder.glob(f"{pattern}train*.parquet")})


def _found(place: Path) -> Files:
    names = {path.name: path for path in sorted(place.glob("*.parquet"))}
    parts = {
        part: [path for name, path in names.items() if _part(name) in words] for part, words in PARTS.items()
    }
    return {part: paths for part, paths in parts.items() if paths}


def _part(name: str) -> str:
    """`train` of `train-00000-of-00001.parquet` and of `train.parquet`."""
    return name.removesuffix(".parquet").partition("-")[0]


def _look(files: Files, form: Form) -> Facts:
    columns = _columns(files["train"][0])
    labels = {part: _labels(paths, columns) for part, paths in files.items()}
    first = files["train"][0]
    shape = decode.look(_first_image(first, columns), f"{first}, row 0", form)
    check_shape(f"{first}, row 0", shape, first, shape)
    classes = _count(first, columns, labels)
    return Facts(
        train=len(labels["train"]),
        validation=len(labels.get("validation", ())),
        test=len(labels["test"]),
        classes=classes,
        side=shape[0],
        channels=shape[2],
        smallest=fewest(labels["train"], classes),
    )


def _read(folder: Path, files: Files, form: Form) -> Arrays:
    first = files["train"][0]
    columns = _columns(first)
    labels = {part: _labels(paths, columns) for part, paths in files.items()}
    classes = _count(first, columns, labels)
    content, where = _first_image(first, columns), f"{first}, row 0"
    shape = decode.decode(content, where, form, Counter()).shape
    check_shape(where, shape, where, shape)
    done: Counter[str] = Counter()
    images = partial(_images, column=columns.image, shape=shape, first=where, form=form, done=done)
    validation = labels.get("validation", np.empty(0, np.int64))
    used = {path.name for paths in files.values() for path in paths}
    unused = sorted(path.name for path in first.parent.glob("*.parquet") if path.name not in used)
    return Arrays(
        classes=classes,
        class_names=columns.classes,
        train_images=images([*files["train"], *files.get("validation", ())]),
        train_labels=np.concatenate([labels["train"], validation]),
        test_images=images(files["test"]),
        test_labels=labels["test"],
        validation=len(validation),
        notes=[
            *decode.said(done, sum(map(len, labels.values()))),
            f"the labels are column {columns.label!r}"
            + (f" (there is also {', '.join(columns.others)})" if columns.others else ""),
            *([f"not used: {', '.join(unused)}"] if unused else []),
        ],
    )


def _images(
    paths: Sequence[Path], column: str, shape: tuple[int, ...], first: str, form: Form, done: Counter[str]
) -> Images:
    count = sum(_metadata(path).num_rows for path in paths)
    check_swollen(first, count * math.prod(shape), sum(path.stat().st_size for path in paths))
    images = np.empty((count, *shape), np.uint8)
    rows = iter(images)
    for path in paths:
        for row, content in enumerate(_contents(path, column)):
            where = f"{path}, row {row}"
            image = decode.decode(_bytes(content, where), where, form, done)
            check_shape(where, image.shape, first, shape)
            next(rows)[:] = image
    return images


def _contents(path: Path, column: str) -> Any:
    """The cells of a column one by one, of which few are in memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with arrow_file(path) as stored, pq.ParquetFile(stored) as file:
            for batch in file.iter_batches(_at_once(file.metadata, column), columns=[column]):
                for cell in batch.column(0):
                    yield cell.as_py()
    except (OSError, pa.ArrowException) as error:
        raise damaged(path, error) from error


def _at_once(metadata: Any, column: str) -> int:
    """Rows whose cells are in memory together: one value may be stored once and meant by every row."""
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    chunks = (group.column(number) for group in groups for number in range(group.num_columns))
    repeated = (
        chunk.total_uncompressed_size
        for chunk in chunks
        if chunk.path_in_schema.partition(".")[0] == column and not AS_LONG.issuperset(chunk.encodings)
    )
    return min(AT_ONCE, max(1, MOST_AT_ONCE // max(repeated, default=1)))


def _bytes(cell: Any, where: str) -> bytes:
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(content, bytes):
        raise UserError(f"{where} has no bytes of an image; files that only name their images are not read")
    return content


def _first_image(path: Path, columns: Columns) -> bytes:
    for cell in _contents(path, columns.image):
        return _bytes(cell, f"{path}, row 0")
    raise UserError(f"{path} has no rows")


def _labels(paths: Sequence[Path], columns: Columns) -> Labels:
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = []
    for path in paths:
        _metadata(path)
        try:
            with arrow_file(path) as stored:
                column = pq.read_table(stored, columns=[columns.label]).column(0)
        except (OSError, pa.ArrowException) as error:
            raise damaged(path, error) from error
        if column.null_count or pa.types.is_nested(column.type):
            what = f"{column.null_count} rows without one" if column.null_count else f"{column.type}"
            raise UserError(f"{path}: column {columns.label!r} has {what}; each image needs one class")
        found.append(checked_labels(f"{path}: column {columns.label!r}", column.to_numpy(), len(column)))
    return np.concatenate(found)


def _count(first: Path, columns: Columns, labels: Mapping[str, Labels]) -> int:
    others = {f"the {part} part": labels[part] for part in labels if part != "train"}
    count = count_classes(first.parent, f"column {columns.label!r}", labels["train"], others)
    if columns.classes and count != len(columns.classes):
        raise UserError(
            f"{first}: {len(columns.classes)} classes have names, but {count} have images to train on"
        )
    return count


def _columns(path: Path) -> Columns:
    """By the schema's metadata, else by the columns' types.

    Raises:
        UserError: no such columns, or several that might be meant.
    """
    import pyarrow as pa

    schema: pa.Schema = _metadata(path).schema.to_arrow_schema()
    features = _features(schema)
    images = [name for name, feature in features.items() if feature.get("_type") == "Image"]
    labels = [name for name, feature in features.items() if feature.get("_type") == "ClassLabel"]
    images = images or [
        field.name for field in schema if pa.types.is_struct(field.type) or pa.types.is_binary(field.type)
    ]
    labels = labels or [field.name for field in schema if pa.types.is_integer(field.type)]
    image = _only(path, images, "of images", ("image", "img"))
    label = _only(path, labels, "of class labels", LABELS)
    names = features.get(label, {}).get("names")
    names = names if isinstance(names, list) else ()
    others = tuple(name for name in labels if name != label)
    return Columns(image=image, label=label, classes=tuple(map(str, names)), others=others)


def _only(path: Path, names: Sequence[str], what: str, preferred: Sequence[str]) -> str:
    found = [name for name in preferred if name in names] or list(names)
    if not found or (len(found) > 1 and found[0] not in preferred):
        raise UserError(f"{path} has {', '.join(names) or 'no columns'} for the column {what}; it needs one")
    return found[0]


def _features(schema: pa.Schema) -> dict[str, Any]:
    """Hugging Face's own description of the columns, by name; empty where there is none."""
    try:
        described = parsed((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {name: feature for name, feature in described.items() if isinstance(feature, dict)}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def _metadata(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with opened(path, links=True) as stored:
            check_here(path, stored.read(64))
        with arrow_file(path) as whole:
            found = pq.read_metadata(whole)
        if swollen(found, path.stat().st_size):
            raise damaged(path, "its head names far more rows than it can have")
        return found
    except (OSError, pa.ArrowException) as error:
        raise damaged(path, error) from error
