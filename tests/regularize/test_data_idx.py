from __future__ import annotations

import gzip
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regularize.data import idx, load
from regularize.data.form import Form
from regularize.data.source import MissingDataError
from regularize.errors import UserError

FASHION = Path("/usr/share/datasets/fashion-mnist")  # Debian's dataset-fashion-mnist
MNIST_CLASSES = (
    [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
)


def encoded(array: np.ndarray) -> bytes:
    header = bytes((0, 0, 8, array.ndim)) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.tobytes()


def small(root: Path, *, gz: bool = False) -> idx.Layout:
    """Six images of 4 × 4 and two for the test, with a layout that has their checksums."""
    images = np.arange(8 * 16, dtype=np.uint8).reshape(8, 4, 4)
    labels = np.arange(8, dtype=np.uint8)
    contents = {
        idx.TRAIN_IMAGES: encoded(images[:6]),
        idx.TRAIN_LABELS: encoded(labels[:6]),
        idx.TEST_IMAGES: encoded(images[6:]),
        idx.TEST_LABELS: encoded(labels[6:]),
    }
    folder = root / idx.MNIST.folder
    folder.mkdir(parents=True)
    for name, content in contents.items():
        path = folder / (f"{name}.gz" if gz else name)
        path.write_bytes(gzip.compress(content) if gz else content)
    return replace(idx.MNIST, md5={n: hashlib.md5(c).hexdigest() for n, c in contents.items()})


def test_mnist_is_the_real_one(mnist_root: Path) -> None:
    mnist = load("mnist", mnist_root)
    assert mnist.train_images.shape == (60_000, 28, 28, 1)
    assert (mnist.classes, mnist.shape) == (10, (1, 28, 28))
    counts = (mnist.train_labels.bincount().tolist(), mnist.test_labels.bincount().tolist())
    assert counts == MNIST_CLASSES
    assert mnist.mean == pytest.approx((0.1307,), abs=5e-5)
    assert mnist.std == pytest.approx((0.3081,), abs=5e-5)


def test_fashion_mnist_is_the_real_one(tmp_path: Path) -> None:
    if not FASHION.is_dir():
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    (tmp_path / "FashionMNIST").mkdir()
    (tmp_path / idx.FASHION_MNIST.folder).symlink_to(FASHION)
    fashion = load("fashion_mnist", tmp_path)
    assert fashion.train_labels.bincount().tolist() == [6000] * 10
    assert fashion.test_labels.bincount().tolist() == [1000] * 10
    assert fashion.mean == pytest.approx((0.2860,), abs=5e-5)
    assert fashion.std == pytest.approx((0.3530,), abs=5e-5)


@pytest.mark.parametrize("gz", [False, True])
def test_plain_and_gzipped_files_decode_to_the_same(tmp_path: Path, gz: bool) -> None:
    arrays = idx.source(tmp_path, small(tmp_path, gz=gz)).read(Form())
    assert arrays.train_images.shape == (6, 4, 4, 1)
    assert arrays.train_images[1, 0, :, 0].tolist() == [16, 17, 18, 19]
    assert arrays.test_labels.tolist() == [6, 7]


def flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize(
    ("gz", "damage", "complaint"),
    [
        (True, lambda content: content[:-12], "ended before"),
        (True, lambda content: b"<html>blocked</html>", "Not a gzipped file"),
        (True, lambda content: content[:12] + bytes(4) + content[16:], ""),
        (False, lambda content: content[:-1], "promises 112 bytes, it has 111"),
        (False, lambda content: content + b"x", "promises 112 bytes, it has 113"),
        (False, lambda content: b"\0\0\x0d" + content[3:], "starts with 000008, this one with 00000d"),
        (False, lambda content: b"", "starts with 000008"),
        (False, flipped, "the MD5"),
    ],
)
def test_a_damaged_file_is_named(
    tmp_path: Path, gz: bool, damage: Callable[[bytes], bytes], complaint: str
) -> None:
    layout = small(tmp_path, gz=gz)
    path = tmp_path / layout.folder / f"{idx.TRAIN_IMAGES}{'.gz' if gz else ''}"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=f"{re.escape(str(path))} is damaged.*{re.escape(complaint)}"):
        idx.source(tmp_path, layout).read(Form())


def test_missing_files_are_listed_with_their_folder(tmp_path: Path) -> None:
    layout = small(tmp_path)
    (tmp_path / layout.folder / idx.TEST_LABELS).unlink()
    with pytest.raises(MissingDataError) as caught:
        idx.source(tmp_path, layout)
    assert str(caught.value) == f"put {idx.TEST_LABELS} (plain or .gz) into {tmp_path / layout.folder}"


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_parse_inverts_the_encoding(shape: list[int]) -> None:
    array = np.frombuffer(os.urandom(int(np.prod(shape))), np.uint8).reshape(shape)
    np.testing.assert_array_equal(idx.parse(encoded(array)), array)


@given(st.binary(max_size=40))
def test_parse_refuses_all_else(content: bytes) -> None:
    try:
        array = idx.parse(content)
    except ValueError:
        return
    assert encoded(array) == content
