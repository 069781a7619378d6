"""Arrays as MedMNIST publishes them, and what is refused of the kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from regularize.config import DataConfig
from regularize.data import Form, load, look, prepared, split
from regularize.errors import UserError

RANDOM = np.random.default_rng(1)


def medmnist(colour: bool = False, labels: int = 1, size: int = 28) -> dict[str, np.ndarray]:
    """Its six arrays: 120 training, 30 validation and 50 test images of 5 classes, labels [N, 1]."""
    arrays = {}
    for part, count in (("train", 120), ("val", 30), ("test", 50)):
        shape = (count, size, size, 3) if colour else (count, size, size)
        arrays[f"{part}_images"] = RANDOM.integers(0, 256, shape, dtype=np.uint8)
        arrays[f"{part}_labels"] = np.tile((np.arange(count) % 5).astype(np.uint8)[:, None], labels)
    return arrays


@pytest.mark.parametrize("colour", [False, True])
def test_medmnist_as_downloaded(tmp_path: Path, colour: bool) -> None:
    given = medmnist(colour)
    np.savez_compressed(tmp_path / "pathmnist.npz", **given)
    seen, _ = look("pathmnist", tmp_path)
    own = load("pathmnist", tmp_path)
    facts = prepared("pathmnist", tmp_path).facts
    assert seen == facts
    assert (facts.train, facts.validation, facts.test, facts.classes) == (120, 30, 50, 5)
    expected = np.concatenate([given["train_images"], given["val_images"]])
    np.testing.assert_array_equal(own.train_images.numpy(), expected.reshape(150, 28, 28, -1))
    assert own.train_labels.tolist() == [*given["train_labels"][:, 0], *given["val_labels"][:, 0]]
    assert own.mean == pytest.approx(given["train_images"].reshape(-1, 3 if colour else 1).mean(0) / 255)


def test_its_validation_part_is_the_validation_part_whatever_the_seed(tmp_path: Path) -> None:
    np.savez(tmp_path / "pathmnist.npz", **medmnist())
    own = load("pathmnist", tmp_path)
    for seed in (0, 1):
        parts = split(own.train_labels, DataConfig(name="pathmnist"), seed, own.validation)
        assert (parts.train.tolist(), parts.validation.tolist()) == (list(range(120)), list(range(120, 150)))
    config = DataConfig(name="pathmnist", per_class=2)
    few = [split(own.train_labels, config, seed, own.validation).train for seed in (0, 1)]
    assert all(own.train_labels[rows].bincount().tolist() == [2] * 5 for rows in few)
    assert not torch.equal(*few)
    with pytest.raises(UserError, match=r"validation is 0\.2.*a validation part of its own, 30 images"):
        prepared("pathmnist", tmp_path).facts.parts(DataConfig(name="pathmnist", validation=0.2))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (medmnist(labels=14), r"train_labels is uint8 \[120, 14\]: 14 labels an image; only one class"),
        ({"val_labels": None}, "has val_images alone of val_images and val_labels"),
        ({"val_labels": np.full((30, 1), 7)}, "val_labels has 7, which train_labels has not"),
        ({"val_images": np.zeros((30, 8, 8), np.uint8)}, "training and validation images differ in size"),
        (
            {name: np.zeros((count, 9, 9, 9), np.uint8) for name, count in [("train_images", 120)]},
            "these seem to be volumes",
        ),
        ({"train_images": np.zeros((120, 3, 28, 28), np.uint8)}, r"channels come last: images\.transpose"),
        ({"train_images": np.zeros((120, 28, 28))}, r"\(255 \* images\)"),
        ({"train_images": np.zeros((120, 28, 30), np.uint8)}, "`resize: 32` makes them so"),
    ],
)
def test_what_is_refused_is_refused_by_its_header_in_the_words_of_preparation(
    tmp_path: Path, changed: dict[str, np.ndarray | None], words: str
) -> None:
    arrays = {name: array for name, array in (medmnist() | changed).items() if array is not None}
    np.savez(tmp_path / "own.npz", **arrays)
    said = []
    for read in (look, prepared):
        with pytest.raises(UserError, match=words) as caught:
            read("own", tmp_path)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_arrays_that_nobody_reads_are_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", **medmnist(), extra_images=np.zeros(3))
    assert "not used: extra_images" in prepared("own", tmp_path).notes


def test_a_form_is_a_set_of_its_own(tmp_path: Path) -> None:
    given = medmnist(colour=True)
    np.savez(tmp_path / "own.npz", **given)
    plain, form = load("own", tmp_path), Form(resize=14, channels=1)
    formed = load("own", tmp_path, form)
    assert look("own", tmp_path, form)[0].shape == formed.shape == (1, 14, 14)
    assert plain.shape == load("own", tmp_path).shape == (3, 28, 28)
    by_hand = (
        Image.fromarray(given["test_images"][3]).convert("L").resize((14, 14), Image.Resampling.BILINEAR)
    )
    np.testing.assert_array_equal(formed.test_images[3, ..., 0].numpy(), np.asarray(by_hand))
    assert formed.content_hash != plain.content_hash
    assert "images were scaled to 14 × 14 pixels and made grey" in prepared("own", tmp_path, form).notes


def test_an_official_set_in_another_form(tmp_path: Path) -> None:
    digits = load("digits", tmp_path, Form(resize=32, channels=3))
    assert digits.shape == look("digits", tmp_path, Form(resize=32, channels=3))[0].shape == (3, 32, 32)
    with pytest.raises(UserError, match="the points of clusters are no images"):
        prepared("clusters", tmp_path, Form(resize=32))


def test_the_hash_is_of_images_labels_names_and_split(tmp_path: Path) -> None:
    given = medmnist()
    np.savez(tmp_path / "own.npz", **given)
    first = prepared("own", tmp_path).content_hash
    np.savez_compressed(tmp_path / "own.npz", **given)  # another file of the same content
    assert prepared("own", tmp_path).content_hash == first
    joined = {
        f"train_{kind}": np.concatenate([given[f"train_{kind}"], given[f"val_{kind}"]])
        for kind in ("images", "labels")
    }
    hashes = {first}
    labels = given["train_labels"].copy()
    labels[[0, 1]] = labels[[1, 0]]
    for changed in (
        joined | {name: given[name] for name in ("test_images", "test_labels")},
        given | {"train_labels": labels},
        given | {"test_images": given["test_images"][::-1]},
    ):
        np.savez(tmp_path / "own.npz", **changed)
        hashes.add(prepared("own", tmp_path).content_hash)
    assert len(hashes) == 4
