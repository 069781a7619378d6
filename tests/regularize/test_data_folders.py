"""Image folders as they come from desktops, cameras and clouds."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regularize.data import Form, load, look, prepared
from regularize.errors import UserError

RANDOM = np.random.default_rng(4)


def save(path: Path, side: int = 6, channels: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (side, side, channels) if channels > 1 else (side, side)
    Image.fromarray(RANDOM.integers(0, 256, shape, dtype=np.uint8)).save(path)


def part(folder: Path, name: str, counts: dict[str, int]) -> None:
    for kind, count in counts.items():
        for number in range(count):
            save(folder / name / kind / f"{number}.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The set `own` of the classes `cat` and `dog`: 3 and 4 training images, 2 of each for the test."""
    part(tmp_path / "own", "train", {"cat": 3, "dog": 4})
    part(tmp_path / "own", "test", {"cat": 2, "dog": 2})
    return tmp_path / "own"


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_a_validation_folder_is_the_validation_part(folder: Path, name: str) -> None:
    part(folder, name, {"cat": 1, "dog": 2})
    own, ready = load("own", folder.parent), prepared("own", folder.parent)
    assert (ready.facts.train, ready.facts.validation, ready.facts.test) == (7, 3, 4)
    assert own.train_labels.tolist() == [0] * 3 + [1] * 4 + [0] + [1] * 2
    with Image.open(folder / name / "dog" / "1.png") as image:
        np.testing.assert_array_equal(own.train_images[9, ..., 0].numpy(), np.asarray(image))
    assert look("own", folder.parent)[0] == ready.facts


def test_a_look_before_preparation_has_its_numbers(folder: Path) -> None:
    seen, _ = look("own", folder.parent, Form(resize=4, channels=3))
    assert seen == prepared("own", folder.parent, Form(resize=4, channels=3)).facts


def test_litter_of_desktops_is_left_out_and_said(folder: Path) -> None:
    for place in ("train/cat/Thumbs.db", "train/desktop.ini", "test/dog/.DS_Store", "Desktop.ini"):
        (folder / place).touch()
    (folder / "train" / "__MACOSX").mkdir()
    ready = prepared("own", folder.parent)
    assert (ready.facts.train, ready.facts.classes) == (7, 2)
    said = "left out, being the desktop's and no images: Desktop.ini, Thumbs.db, __MACOSX, desktop.ini"
    assert said in ready.notes


def test_parts_and_tables_that_are_not_used_are_said(folder: Path) -> None:
    (folder / "unlabelled").mkdir()
    (folder / "labels.csv").touch()
    assert "not used: labels.csv, unlabelled/" in prepared("own", folder.parent).notes


ZOE = "Zoë"


def test_two_spellings_of_a_class_in_two_parts_are_one_class(tmp_path: Path) -> None:
    part(tmp_path / "own", "train", {unicodedata.normalize("NFC", ZOE): 2, "al": 2})
    part(tmp_path / "own", "test", {unicodedata.normalize("NFD", ZOE): 1, "al": 1})
    ready = prepared("own", tmp_path)
    assert ready.class_names == (unicodedata.normalize("NFC", ZOE), "al")
    assert any("spelled in two ways of Unicode" in note for note in ready.notes)


def second_zoe(folder: Path) -> None:
    for form in ("NFC", "NFD"):
        save(folder / "train" / unicodedata.normalize(form, ZOE) / "1.png")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (second_zoe, "has the class 'Zoë' twice, in two spellings of Unicode that look alike"),
        (
            lambda f: (f / "train" / "labels.csv").touch(),
            "labels.csv is a file.*tables of labels are not read",
        ),
        (
            lambda f: (f / "test" / "dog").rename(f / "test" / "Dog"),
            r"'Dog' is only in test \(train has 'dog'\)",
        ),
        (
            lambda f: [part(f, name, {"cat": 1, "dog": 1}) for name in ("val", "valid")],
            "val/ and valid/: remove",
        ),
        (lambda f: part(f, "val", {"cat": 1}), "class 'dog' is only in train"),
        (lambda f: save(f / "test" / "dog" / "0.png", side=8), "8 × 8 pixels.*`resize: 32` makes them alike"),
        (lambda f: save(f / "test" / "dog" / "0.png", channels=3), "`channels: 1` or `channels: 3`"),
    ],
)
def test_what_is_refused_is_refused_by_a_look_in_the_same_words(
    folder: Path, damage: Callable[[Path], object], words: str
) -> None:
    damage(folder)
    said = []
    for read in (look, prepared):
        with pytest.raises(UserError, match=words) as caught:
            read("own", folder.parent)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_sizes_and_colours_that_differ_are_read_in_the_form_asked_for(folder: Path) -> None:
    save(folder / "test" / "dog" / "1.png", side=9, channels=3)
    assert load("own", folder.parent, Form(resize=5, channels=1)).shape == (1, 5, 5)
