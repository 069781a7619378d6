"""Image data sets of the Hugging Face hub, as local Parquet files of its layout."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from regularize.data import Form, load, look, names, prepared
from regularize.errors import UserError

RANDOM = np.random.default_rng(2)
NAMES = ["ant", "bee", "wasp"]


def pictures(count: int, side: int = 6) -> np.ndarray:
    return RANDOM.integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def png(picture: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "PNG")
    return content.getvalue()


def table(
    images: np.ndarray,
    labels: list[int],
    *,
    image: str = "image",
    label: str = "label",
    described: bool = True,
) -> pa.Table:
    """As `datasets` writes it: images as {bytes, path}, what the columns are in the schema's metadata."""
    cells = [{"bytes": png(picture), "path": f"{row}.png"} for row, picture in enumerate(images)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns: dict[str, Any] = {image: pa.array(cells, kind), label: pa.array(labels, pa.int64())}
    features: dict[str, Any] = {
        image: {"_type": "Image"},
        label: {"names": NAMES, "_type": "ClassLabel"},
    }
    if label == "fine_label":
        columns["coarse_label"] = pa.array([0] * len(labels), pa.int64())
        features["coarse_label"] = {"names": ["insect"], "_type": "ClassLabel"}
    found = pa.table(columns)
    about = {"huggingface": json.dumps({"info": {"features": features}})} if described else {}
    return found.replace_schema_metadata(about)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The set `insects`: nine training images in two shards, four for the test."""
    place = tmp_path / "insects" / "data"
    place.mkdir(parents=True)
    train, labels = pictures(9), [0, 1, 2] * 3
    np.save(tmp_path / "train.npy", train)
    for shard, rows in enumerate((slice(0, 5), slice(5, 9))):
        name = f"train-{shard:05}-of-00002.parquet"
        pq.write_table(table(train[rows], labels[rows]), place / name, row_group_size=2)
    pq.write_table(table(pictures(4), [2, 1, 0, 2]), place / "test-00000-of-00001.parquet")
    return place


def test_shards_are_read_in_order_with_the_names_of_the_classes(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "insects" / "README.md").touch()
    assert "insects" in names(tmp_path)
    seen, _ = look("insects", tmp_path)
    own = load("insects", tmp_path)
    assert seen == prepared("insects", tmp_path).facts
    np.testing.assert_array_equal(own.train_images.numpy(), np.load(tmp_path / "train.npy"))
    assert own.train_labels.tolist() == [0, 1, 2] * 3
    assert own.test_labels.tolist() == [2, 1, 0, 2]
    assert list(own.class_names) == NAMES


def test_a_validation_part_is_one_and_other_files_are_said(folder: Path, tmp_path: Path) -> None:
    pq.write_table(table(pictures(2), [0, 1]), folder / "validation-00000-of-00001.parquet")
    pq.write_table(table(pictures(2), [0, 1]), folder / "unsupervised-00000-of-00001.parquet")
    ready = prepared("insects", tmp_path)
    assert (ready.facts.train, ready.facts.validation, ready.facts.test) == (9, 2, 4)
    assert "not used: unsupervised-00000-of-00001.parquet" in ready.notes
    assert look("insects", tmp_path) == (ready.facts, ready.notes)


@pytest.mark.parametrize("name", [".", "plain_text"])
def test_the_folder_of_a_configuration_does_as_well(folder: Path, tmp_path: Path, name: str) -> None:
    first = load("insects", tmp_path).content_hash
    for path in list(folder.iterdir()):
        place = tmp_path / "hub" / name / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        path.rename(place)
    assert "hub" in names(tmp_path)
    assert load("hub", tmp_path).content_hash == first
    (tmp_path / "hub" / "other").mkdir()
    (tmp_path / "hub" / "other" / "train-00000-of-00001.parquet").touch()
    with pytest.raises(UserError, match="training files in several folders"):
        load("hub", tmp_path)


def test_files_beside_each_other_without_any_description(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    for part, labels in (("train", [0, 1, 2]), ("test", [1])):
        content = table(pictures(len(labels)), labels, image="img", described=False)
        pq.write_table(content, tmp_path / "plain" / f"{part}.parquet")
    own = load("plain", tmp_path)
    assert (own.classes, own.class_names) == (3, ())


def test_the_finer_of_two_kinds_of_labels_counts_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "fine").mkdir()
    for part in ("train", "test"):
        content = table(pictures(3), [0, 1, 2], image="img", label="fine_label")
        pq.write_table(content, tmp_path / "fine" / f"{part}-00000-of-00001.parquet")
    assert load("fine", tmp_path).train_labels.tolist() == [0, 1, 2]
    assert (
        "the labels are column 'fine_label' (there is also coarse_label)" in prepared("fine", tmp_path).notes
    )


def test_images_of_other_sizes_are_one_error_or_resized(folder: Path, tmp_path: Path) -> None:
    pq.write_table(table(pictures(4, side=8), [2, 1, 0, 2]), folder / "test-00000-of-00001.parquet")
    words = r"test-00000-of-00001\.parquet, row 0 is 8 × 8 pixels.*option `resize: 32` makes them alike"
    with pytest.raises(UserError, match=words):
        load("insects", tmp_path)
    assert load("insects", tmp_path, Form(resize=4)).shape == (3, 4, 4)


def rewritten(path: Path, **columns: pa.Array) -> None:
    found = pq.read_table(path)
    for name, values in columns.items():
        found = found.set_column(found.schema.get_field_index(name), name, values)
    pq.write_table(found, path)


KIND = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.mark.parametrize(
    ("damage", "words", "seen"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "is damaged", True),
        (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1"), "git lfs pull", True),
        (lambda path: rewritten(path, label=pa.array([-1] * 4)), r"the test part has -1.*kept secret", True),
        (lambda path: rewritten(path, label=pa.array([0, None, 1, 2])), "1 rows without one", True),
        (lambda path: rewritten(path, label=pa.array([[0], [1], [2], [0]])), "needs one class", True),
        (
            lambda path: rewritten(path, image=pa.array([{"bytes": None, "path": "a.png"}] * 4, KIND)),
            "row 0 has no bytes of an image",
            False,
        ),
        (
            lambda path: rewritten(path, image=pa.array([{"bytes": b"no", "path": ""}] * 4, KIND)),
            "row 0 is damaged or not an image",
            False,
        ),
        (lambda path: path.rename(path.with_name("validation.parquet")), r"has no test-\*\.parquet", True),
    ],
)
def test_what_is_wrong_is_said_and_what_a_look_can_see_is_seen(
    folder: Path, tmp_path: Path, damage: Any, words: str, seen: bool
) -> None:
    damage(folder / "test-00000-of-00001.parquet")
    with pytest.raises(UserError, match=words):
        prepared("insects", tmp_path)
    if seen:
        with pytest.raises(UserError, match=words):
            look("insects", tmp_path)
