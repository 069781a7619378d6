"""What preparation says of a data set, and when it looks at one again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from regularize.data import look, prepared
from regularize.data.looks import SAMPLE
from regularize.data.source import Arrays
from tests.regularize.test_data_folders import part, save

RANDOM = np.random.default_rng(5)


def notes(tmp_path: Path, **changed: np.ndarray) -> str:
    """Of a set of 40 training, 10 validation and 12 test images, four classes."""
    arrays = {}
    for name, count in (("train", 40), ("val", 10), ("test", 12)):
        arrays[f"{name}_images"] = RANDOM.integers(0, 256, (count, 5, 5), dtype=np.uint8)
        arrays[f"{name}_labels"] = np.arange(count) % 4
    np.savez(tmp_path / "own.npz", **arrays | changed)
    first, *others = prepared("own", tmp_path).notes
    assert first == "its own validation part of 10 images is the validation part of every run"
    return "\n".join(others)


def images(count: int) -> np.ndarray:
    return RANDOM.integers(0, 256, (count, 5, 5), dtype=np.uint8)


def test_of_a_set_without_fault_nothing_is_said(tmp_path: Path) -> None:
    assert notes(tmp_path) == ""


def test_test_images_that_also_stand_in_training_are_counted(tmp_path: Path) -> None:
    train, test, val = images(40), images(12), images(10)
    test[[5, 7, 11]] = train[[9, 7, 8]]
    val[4] = train[0]
    said = notes(tmp_path, train_images=train, test_images=test, val_images=val)
    assert (
        "3 of 12 test images also stand in the training part, the first as test image 5 and training "
        "image 9, 1 of them with another class"
    ) in said  # 11 is of class 3, its twin of class 0
    assert "1 of 10 validation images also stand in the training part" in said


def test_copies_in_the_training_part_are_counted(tmp_path: Path) -> None:
    train = images(40)
    train[[4, 8]] = train[0]
    train[1] = train[0]
    said = notes(tmp_path, train_images=train)
    assert said == "3 of 40 training images are copies of others there, 1 of them with another class"


def test_classes_of_very_unequal_size_and_classes_without_a_test_image(tmp_path: Path) -> None:
    labels = np.array([0] * 30 + [1] * 5 + [2] * 3 + [3] * 2)
    said = notes(tmp_path, train_labels=labels, test_labels=np.array([0] * 9 + [1, 2, 2]))
    assert said == (
        "classes have from 2 (3) to 30 (0) training images; always answering 0 would be right for 75.0% of "
        "the test images\nno test image has class 3"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    part(tmp_path / "own", "train", {"a": 3, "b": 4})
    part(tmp_path / "own", "test", {"a": 2, "b": 2})
    return tmp_path / "own"


def test_twins_in_folders_are_called_by_their_files(folder: Path) -> None:
    shutil.copy(folder / "train" / "b" / "2.png", folder / "test" / "a" / "1.png")
    (note,) = prepared("own", folder.parent).notes
    assert note.endswith("the first as test/a/1.png and train/b/2.png, 1 of them with another class")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Arrays]:
    """What is decoded from now on, with every file that is listed for it."""
    from regularize.data import folders

    found: list[Arrays] = []
    read = folders._read

    def counted(*arguments: object) -> Arrays:
        found.append(read(*arguments))  # type: ignore[arg-type]
        return found[-1]

    monkeypatch.setattr(folders, "_read", counted)
    return found


def listed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders that are listed from now on."""
    from regularize.data import folders

    found: list[Path] = []
    visible = folders.visible

    def counted(folder: Path) -> object:
        found.append(folder)
        return visible(folder)

    monkeypatch.setattr(folders, "visible", counted)
    return found


def overwrite(folder: Path) -> None:
    """In place, to other content of the same length and time of change."""
    path = folder / "train" / "b" / "1.png"
    status = path.stat()
    save(path)
    content = path.read_bytes()
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        lambda f: save(f / "train" / "a" / "9.png"),
        lambda f: (f / "train" / "a" / "0.png").unlink(),
        lambda f: (f / "test" / "b" / "0.png").rename(f / "test" / "b" / "7.png"),
        overwrite,
        lambda f: part(f, "val", {"a": 1, "b": 1}),
    ],
)
def test_a_folder_that_changed_is_read_again(
    folder: Path, decoded: list[Arrays], change: Callable[[Path], object]
) -> None:
    prepared("own", folder.parent)
    change(folder)
    prepared("own", folder.parent)
    assert len(decoded) == 2


def test_a_folder_is_not_looked_through_for_every_pack(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepared("own", folder.parent)
    folders = listed(monkeypatch)
    assert prepared("own", folder.parent) == first
    assert look("own", folder.parent) == (first.facts, first.notes)
    assert folders == []


def test_of_many_files_a_sample_is_looked_at(tmp_path: Path) -> None:
    part(tmp_path / "own", "train", {"a": 1, "b": 2 * SAMPLE})
    part(tmp_path / "own", "test", {"a": 1, "b": 1})
    looked = prepared("own", tmp_path).looked
    assert SAMPLE <= sum(name.endswith(".png") for name in looked) <= SAMPLE + SAMPLE // 2
    assert {"own", "own/train", "own/test", "own/train/a", "own/train/b", "own/test/a"} <= looked.keys()


def test_what_a_viewer_leaves_in_a_folder_decodes_nothing_again(
    folder: Path, decoded: list[Arrays], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepared("own", folder.parent)
    (folder / "train" / "a" / ".DS_Store").touch()
    assert prepared("own", folder.parent).content_hash == first.content_hash
    folders = listed(monkeypatch)
    assert prepared("own", folder.parent).content_hash == first.content_hash
    assert folders == []  # that nothing but this changed has been noted
    assert len(decoded) == 1
