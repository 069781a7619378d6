"""What plan says of a sweep's data, so that submit has no news."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from jobs.planning.sweep_data import look_at_data, prepare_data
from jobs.sweep.sweep_file import load_sweep
from regularize.data import idx
from regularize.data.official import OFFICIAL
from regularize.errors import UserError
from tests.jobs.sweeps import BASE
from tests.regularize.test_data_idx import encoded

RANDOM = np.random.default_rng(0)
UNEQUAL = np.repeat(np.arange(5), [28, 28, 28, 28, 8])


def write(root: Path, **changed: object) -> None:
    """The set `mine` as MedMNIST has its own: 120 training, 30 validation and 50 test images of 28 × 28."""
    arrays: dict[str, object] = {}
    for part, count in (("train", 120), ("val", 30), ("test", 50)):
        arrays[f"{part}_images"] = RANDOM.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"{part}_labels"] = (np.arange(count) % 5).astype(np.uint8)[:, None]
    root.mkdir(exist_ok=True)
    np.savez(root / "mine.npz", **arrays | changed)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "data")
    return tmp_path / "data"


def both(root: Path, dataset: str, *lines: str) -> list[str]:
    """The errors of a look and of preparation, without an error ``."""
    path = root.parent / "sweep.yaml"
    path.write_text(BASE.replace("dataset: digits", f"dataset:\n  {dataset}") + "\n".join(lines) + "\n")
    sweep, said = load_sweep(path), []
    for read in (look_at_data, prepare_data):
        try:
            read(sweep, root, lambda note: None)
            said.append("")
        except UserError as error:
            said.append(str(error))
    return said


def test_a_look_has_the_numbers_of_preparation(root: Path) -> None:
    path = root.parent / "sweep.yaml"
    path.write_text(BASE.replace("digits", "{mine: {resize: 32, channels: 3}, digits: {}}"))
    sweep = load_sweep(path)
    seen = look_at_data(sweep, root, lambda note: None)
    assert seen == prepare_data(sweep, root, lambda note: None)
    assert (seen["mine"].train, seen["mine"].validation, seen["mine"].shape) == (120, 30, (3, 32, 32))


@pytest.mark.parametrize(
    ("changed", "dataset", "lines", "words"),
    [
        ({"train_labels": np.zeros((120, 14), np.uint8)}, "mine:", [], "14 labels an image"),
        ({"train_images": np.zeros((120, 28, 30), np.uint8)}, "mine:", [], "must be uint8 .*resize"),
        ({}, "mine: {validation: 0.2}", [], "validation is 0.2.*part of its own"),
        ({}, "mine: {per_class: 25}", [], "per_class is 25, but mine has at most 24"),
        ({"train_labels": UNEQUAL}, "mine: {per_class: 9}", [], "per_class is 9, but mine has at most 8"),
        ({}, "mine: {resize: 8}", [], "lenet5"),
        ({}, "mine:", ["evaluation: {corruptions: true}"], "mine has no corrupted test sets.*mine-c"),
    ],
)
def test_what_a_look_can_see_it_says_in_the_words_of_preparation(
    root: Path, changed: dict[str, object], dataset: str, lines: list[str], words: str
) -> None:
    write(root, **changed)
    first, second = both(root, dataset, *lines)
    assert first == second
    with pytest.raises(UserError, match=words):
        raise UserError(first)


@pytest.mark.parametrize(
    ("data", "few", "said"),
    [
        ({}, 5, "validation is 0.1, which holds out 0 of 5 examples"),
        ({"per_class": 1}, 5, "validation is matched, which holds out 0 of 5 examples"),
        ({"validation": 0.001}, 120, "validation is 0.001, which holds out 0 of 120 examples"),
        ({"validation": 120}, 120, "validation is 120, which holds out 120 of 120 examples"),
        ({"validation": 200}, 120, "validation is 200, which holds out 200 of 120 examples"),
        ({}, 6, ""),
    ],
)
def test_where_nothing_validates_or_is_trained_on_a_look_says_so(
    root: Path, data: dict[str, float], few: int, said: str
) -> None:
    images, labels = RANDOM.integers(0, 256, (few, 28, 28), dtype=np.uint8), np.arange(few) % 3
    parts = {"train_images": images, "train_labels": labels, "test_images": images, "test_labels": labels}
    np.savez(root / "mine.npz", **parts)
    own = ", ".join(f"{name}: {value}" for name, value in data.items())
    assert both(root, f"mine: {{{own}}}") == [f"mine: {said}" if said else ""] * 2


@pytest.mark.parametrize(("few", "says"), [(7, True), (1, False)])
def test_what_the_held_out_examples_leave_of_a_class_is_drawn_before_anything_is_submitted(
    root: Path, few: int, says: bool
) -> None:
    """A look sees no more than that the smallest class has eight."""
    count = len(UNEQUAL)
    images = RANDOM.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    parts = {"train_images": images, "train_labels": UNEQUAL, "test_images": images, "test_labels": UNEQUAL}
    np.savez(root / "mine.npz", **parts)
    looked, prepared = both(root, f"mine: {{per_class: {few}, validation: 0.5}}")
    said = f"mine, seed [0-9]+: per_class is {few}, but class 4 has [0-6] examples left to train on"
    assert (looked, re.fullmatch(said, prepared) is not None) == ("", says)
    assert says or not prepared


def test_a_class_without_an_example_is_the_smallest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in official files of which only the numbers are known; the last class is no gap in the labels."""
    layout = idx.emnist("digits", 3)
    facts = replace(OFFICIAL["emnist_digits"].facts, train=60, test=60, classes=3)
    few = replace(OFFICIAL["emnist_digits"], facts=facts, source=partial(idx.source, layout=layout))
    monkeypatch.setitem(OFFICIAL, "emnist_digits", few)
    images = RANDOM.integers(0, 256, (60, 28, 28), dtype=np.uint8)
    labels = (np.arange(60) % 2).astype(np.uint8)
    (tmp_path / layout.folder).mkdir(parents=True)
    for name, array in zip(layout.names, (images, labels) * 2, strict=True):
        (tmp_path / layout.folder / name).write_bytes(encoded(array))
    said = "per_class is 5, but emnist_digits has at most 0 examples of every class left to train on"
    assert both(tmp_path, "emnist_digits: {per_class: 5, validation: 6}") == ["", said]


def test_official_files_that_are_missing_are_said_and_planned_for(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(BASE.replace("digits", "mnist"))
    notes: list[str] = []
    assert look_at_data(load_sweep(path), tmp_path, notes.append) == {"mnist": OFFICIAL["mnist"].facts}
    (note,) = notes
    assert note.startswith(f"mnist: nothing can be trained yet: mnist is not in {tmp_path}: put ")


def test_an_official_file_that_is_another_is_news_to_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name in OFFICIAL["mnist"].source.keywords["layout"].names:  # type: ignore[attr-defined]
        (folder / name).write_bytes(b"<html>sign in to this network</html>")
    first, second = both(tmp_path, "mnist:")
    assert first == second
    assert "train-images-idx3-ubyte is damaged" in first


def test_what_preparation_found_is_said_again_by_a_look(root: Path) -> None:
    images = RANDOM.integers(0, 256, (120, 28, 28), dtype=np.uint8)
    write(root, train_images=images, test_images=images[:50])
    path = root.parent / "sweep.yaml"
    path.write_text(BASE.replace("digits", "mine"))
    notes: dict[str, list[str]] = {"made": [], "seen": []}
    prepare_data(load_sweep(path), root, notes["made"].append)
    look_at_data(load_sweep(path), root, notes["seen"].append)
    assert notes["made"] == notes["seen"]
    assert notes["made"][1].startswith("mine: 50 of 50 test images also stand in the training part")
