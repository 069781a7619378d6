from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regularize.data import load
from regularize.data.prepare import describe
from regularize.data.source import Facts
from regularize.errors import UserError

CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
RANDOM = np.random.default_rng(0)


def test_real_images_in_folders(jpeg_root: Path) -> None:
    images = load("cifar10-jpeg", jpeg_root)
    assert images.train_images.shape == images.test_images.shape == (200, 32, 32, 3)
    assert images.train_labels.bincount().tolist() == images.test_labels.bincount().tolist() == [20] * 10
    for label, name in enumerate(CIFAR10):
        with Image.open(jpeg_root / "cifar10-jpeg" / "test" / name / "0007.jpg") as image:
            np.testing.assert_array_equal(images.test_images[20 * label + 7].numpy(), np.asarray(image))
    assert all(0.3 < mean < 0.6 for mean in images.mean)
    assert list(images.class_names) == CIFAR10


def pixels(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The image folder `own`: grey PNG of 6 × 6, classes `no` and `yes`, 3 and 2 of each."""
    for part, count in (("train", 3), ("test", 2)):
        for name in ("yes", "no"):
            place = tmp_path / "own" / part / name
            place.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(pixels(6, 6)).save(place / f"{i}.png")
    return tmp_path / "own"


def test_grey_images_in_folders(folder: Path) -> None:
    (folder / "train" / "no" / ".DS_Store").touch()
    assert describe("own", folder.parent) == Facts(train=6, test=4, classes=2, side=6, channels=1)
    own = load("own", folder.parent)
    assert own.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert load("own", folder.parent).class_names == ("no", "yes")  # as read from what was prepared
    with Image.open(folder / "train" / "yes" / "0.png") as image:
        np.testing.assert_array_equal(own.train_images[3, :, :, 0].numpy(), np.asarray(image))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda f: Image.fromarray(pixels(6, 5)).save(f / "test/no/1.png"), "test/no/1.png is 6 × 5"),
        (
            lambda f: Image.fromarray(pixels(6, 5)).save(f / "train/no/0.png"),
            "0.png is 6 × 5.*be square",
        ),
        (lambda f: Image.fromarray(pixels(6, 6, 3)).save(f / "train/yes/2.png"), "yes/2.png.*in colour, but"),
        (
            lambda f: Image.fromarray(pixels(6, 6, 4)).save(f / "train/yes/2.png"),
            "2.png is transparent in",
        ),
        (lambda f: truncate(f / "train/yes/1.png"), "yes/1.png is damaged or not an image"),
        (lambda f: (f / "train/yes/1.png").write_text("hello"), "yes/1.png is damaged or not an image"),
        (lambda f: (f / "train/yes/notes.txt").touch(), "notes.txt is not an image this reads"),
        (lambda f: (f / "train/stray.png").touch(), "stray.png is a file where each class has a folder"),
        (lambda f: (f / "train/maybe").mkdir(), "train/maybe has no images"),
        (lambda f: (f / "test/no").rename(f / "test/nein"), "class 'nein' is only in test"),
        (lambda f: (f / "test").rename(f / "validation"), "test cannot be read: No such file"),
    ],
)
def test_a_wrong_folder_says_where(folder: Path, damage: Callable[[Path], object], complaint: str) -> None:
    damage(folder)
    with pytest.raises(UserError, match=complaint):
        load("own", folder.parent)


def arrays(**changed: np.ndarray | None) -> dict[str, np.ndarray]:
    """Six grey training images of 5 × 5, two for the test, of the classes 0, 1 and 2."""
    whole = {
        "train_images": pixels(6, 5, 5),
        "train_labels": np.array([0, 1, 2, 0, 1, 2], dtype=np.uint8),
        "test_images": pixels(2, 5, 5),
        "test_labels": np.array([0, 2]),
    }
    return {name: array for name, array in (whole | changed).items() if array is not None}


def test_arrays(tmp_path: Path) -> None:
    given = arrays()
    np.savez(tmp_path / "own.npz", **given)
    own = load("own", tmp_path)
    assert (own.classes, own.shape) == (3, (1, 5, 5))
    np.testing.assert_array_equal(own.train_images[..., 0].numpy(), given["train_images"])
    np.testing.assert_array_equal(own.test_labels.numpy(), given["test_labels"])
    assert own.mean == pytest.approx([given["train_images"].mean() / 255])
    assert own.std == pytest.approx([given["train_images"].std() / 255])


def test_arrays_in_colour_have_statistics_for_each_channel(tmp_path: Path) -> None:
    given = arrays(train_images=pixels(6, 5, 5, 3), test_images=pixels(2, 5, 5, 3))
    np.savez_compressed(tmp_path / "own.npz", **given)
    own = load("own", tmp_path)
    np.testing.assert_array_equal(own.test_images.numpy(), given["test_images"])
    assert own.mean == pytest.approx(given["train_images"].mean(axis=(0, 1, 2)) / 255)
    assert own.std == pytest.approx(given["train_images"].std(axis=(0, 1, 2)) / 255)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"test_labels": None}, "no array 'test_labels'"),
        ({"train_images": np.zeros((6, 5, 5))}, r"train_images is float64 \[6, 5, 5\], but must be uint8"),
        ({"test_images": pixels(2, 5, 4)}, r"test_images is uint8 \[2, 5, 4\]"),
        ({"test_images": pixels(0, 5, 5)}, r"test_images is uint8 \[0, 5, 5\]"),
        ({"test_images": pixels(2, 4, 4)}, "differ in size"),
        ({"train_images": pixels(7, 5, 5)}, r"train_labels is uint8 \[6\], but must be integers \[7\]"),
        ({"test_labels": np.array([0.0, 1.0])}, "test_labels is float64"),
        ({"train_labels": np.array([0, 1, 3, 0, 1, 3])}, r"\[0, 1, 3\].*without gaps"),
        ({"train_labels": np.array([1, 2, 3, 1, 2, 3])}, r"\[1, 2, 3\].*without gaps"),
        ({"test_labels": np.array([0, 7])}, "test_labels has 7"),
        ({"train_labels": np.array([0, 1, 2, 0, 1, None])}, "own.npz is damaged.*Object arrays"),
        ({"train_images": np.full((6, 5, 5), 99, np.uint8)}, "every pixel.*channel 0 is the same"),
    ],
)
def test_wrong_arrays_say_what(tmp_path: Path, changed: dict[str, np.ndarray | None], complaint: str) -> None:
    np.savez(tmp_path / "own.npz", **arrays(**changed))
    with pytest.raises(UserError, match=complaint):
        load("own", tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello", None])
def test_a_damaged_file_of_arrays_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, **arrays())
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    with pytest.raises(UserError, match=r"own\.npz is damaged"):
        load("own", tmp_path)
