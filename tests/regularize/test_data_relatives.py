"""The official sets beside MNIST and CIFAR, against torchvision's own reading of the same small files."""

from __future__ import annotations

import bz2
import gzip
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from sklearn.datasets import load_digits
from torchvision import datasets

from regularize.data import contact_sheet, idx, svhn, usps
from regularize.data.form import Form
from regularize.data.official import OFFICIAL
from regularize.data.source import Arrays, Facts
from regularize.errors import UserError
from tests.regularize.test_data_idx import encoded

RANDOM = np.random.default_rng(3)
PARTS = {"train": 12, "test": 5}


def pictures(count: int) -> np.ndarray:
    return RANDOM.integers(0, 256, (count, 28, 28), dtype=np.uint8)


def write(root: Path, layout: idx.Layout, arrays: list[np.ndarray], gz: bool = False) -> None:
    folder = root / layout.folder
    folder.mkdir(parents=True)
    for name, array in zip(layout.names, arrays, strict=True):
        content = encoded(array) if array.dtype == np.uint8 else integers(array)
        (folder / (f"{name}.gz" if gz else name)).write_bytes(gzip.compress(content) if gz else content)


def integers(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes((0, 0, 12, array.ndim)) + sizes + array.astype(">i4").tobytes()


def check(arrays: Arrays, part: str, images: Any, labels: Any) -> None:
    found = getattr(arrays, f"{part}_images")
    np.testing.assert_array_equal(found, np.asarray(images).reshape(found.shape))
    assert getattr(arrays, f"{part}_labels").tolist() == [int(label) for label in labels]


def test_kmnist(tmp_path: Path) -> None:
    labels = {part: RANDOM.integers(0, 10, count).astype(np.uint8) for part, count in PARTS.items()}
    write(tmp_path, idx.KMNIST, [pictures(12), labels["train"], pictures(5), labels["test"]])
    source = idx.source(tmp_path, idx.KMNIST)
    arrays = source.read(Form())
    assert source.look(Form()) == arrays.facts == Facts(train=12, test=5, classes=10, side=28, channels=1)
    for part in PARTS:
        theirs = datasets.KMNIST(tmp_path, train=part == "train")
        check(arrays, part, theirs.data, theirs.targets)
    assert OFFICIAL["kmnist"].class_names == tuple(datasets.KMNIST.classes)


def test_mnist_in_the_folder_of_kmnist_is_told_apart(mnist_root: Path, tmp_path: Path) -> None:
    (tmp_path / "KMNIST").mkdir()
    (tmp_path / "KMNIST" / "raw").symlink_to(mnist_root / "MNIST" / "raw")
    with pytest.raises(UserError, match="it is the file that belongs into MNIST/raw"):
        idx.source(tmp_path, idx.KMNIST).read(Form())


def test_files_with_checksums_of_their_compressed_form(tmp_path: Path) -> None:
    labels = np.zeros(12, np.uint8), np.zeros(5, np.uint8)
    write(tmp_path, idx.KMNIST, [pictures(12), labels[0], pictures(5), labels[1]], gz=True)
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte\.gz is damaged.*official file bdb82020"):
        idx.source(tmp_path, idx.KMNIST).read(Form())


@pytest.mark.parametrize("split", datasets.EMNIST.splits)
def test_emnist(tmp_path: Path, split: str) -> None:
    classes = [name for name in datasets.EMNIST.classes_split_dict[split] if name != "N/A"]
    first = 1 if split == "letters" else 0
    layout = idx.emnist(split, len(classes), first)
    labels = {p: RANDOM.integers(first, first + len(classes), n).astype(np.uint8) for p, n in PARTS.items()}
    write(tmp_path, layout, [pictures(12), labels["train"], pictures(5), labels["test"]])
    arrays = idx.source(tmp_path, layout).read(Form())
    for part in PARTS:
        theirs = datasets.EMNIST(tmp_path, split, train=part == "train")
        check(arrays, part, theirs.data.transpose(1, 2).contiguous(), theirs.targets - first)
    official = OFFICIAL[f"emnist_{split}"]
    assert official.facts.classes == len(classes)
    if official.class_names:
        assert list(official.class_names) == classes


def test_emnist_is_seen_upright(tmp_path: Path) -> None:
    """Real digits, lying as NIST's do: the contact sheet shows what the plain digits' sheet shows."""
    digits = load_digits()
    upright = np.kron(digits.images[:17].astype(np.uint8) * 15, np.ones((1, 3, 3), np.uint8))
    upright = np.pad(upright, ((0, 0), (2, 2), (2, 2)))
    labels = digits.target[:17].astype(np.uint8)
    lying = upright.swapaxes(1, 2)
    layout = idx.emnist("digits", 10)
    write(tmp_path, layout, [lying[:12], labels[:12], lying[12:], labels[12:]])
    arrays = idx.source(tmp_path, layout).read(Form())
    np.testing.assert_array_equal(arrays.train_images[..., 0], upright[:12])
    sheet = contact_sheet.draw({"training": (arrays.train_images, arrays.train_labels)}, ())
    top, side = contact_sheet.EDGE + contact_sheet.TEXT + contact_sheet.GAP, 56
    row = np.asarray(sheet.convert("L"))[top : top + side]  # of the zeros, the first of which is image 0
    expected = np.kron(upright[0], np.ones((2, 2), np.uint8))
    places = range(row.shape[1] - side)
    assert any(np.array_equal(row[:, left : left + side], expected) for left in places)
    assert not any(np.array_equal(row[:, left : left + side], expected.T) for left in places)


def test_qmnist(tmp_path: Path) -> None:
    labels = {part: RANDOM.integers(0, 10, (count, 8)).astype(np.int32) for part, count in PARTS.items()}
    write(tmp_path, idx.QMNIST, [pictures(12), labels["train"], pictures(5), labels["test"]])
    source = idx.source(tmp_path, idx.QMNIST)
    arrays = source.read(Form())
    assert source.look(Form()) == arrays.facts
    for part in PARTS:
        theirs = datasets.QMNIST(tmp_path, what=part)
        check(arrays, part, theirs.data, theirs.targets[:, 0])


def test_svhn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    md5 = {}
    for part, count in PARTS.items():
        images = RANDOM.integers(0, 256, (32, 32, 3, count), dtype=np.uint8)
        path = tmp_path / f"{part}_32x32.mat"
        labels = RANDOM.permutation(np.arange(count) % 10 + 1).astype(np.uint8)[:, None]
        scipy.io.savemat(path, {"X": images, "y": labels}, do_compression=True)
        md5[path.name] = hashlib.md5(path.read_bytes()).hexdigest()
        monkeypatch.setitem(datasets.SVHN.split_list, part, ["", path.name, md5[path.name]])
    source = svhn.source(tmp_path, md5)
    arrays = source.read(Form())
    assert source.look(Form()) == arrays.facts
    for part in PARTS:
        theirs = datasets.SVHN(tmp_path, split=part)
        check(arrays, part, theirs.data.transpose(0, 2, 3, 1), theirs.labels)
    assert (arrays.train_labels == 0).any()  # what stands as 10 there
    with pytest.raises(UserError, match=r"train_32x32\.mat is damaged.*the official file's e26dedcc"):
        svhn.source(tmp_path).read(Form())
    (tmp_path / "test_32x32.mat").write_bytes(b"<html>blocked</html>")
    with pytest.raises(UserError, match=r"test_32x32\.mat is damaged"):
        svhn.source(tmp_path).look(Form())


def test_usps(tmp_path: Path) -> None:
    md5 = {}
    for part, count in PARTS.items():
        values = RANDOM.uniform(-1, 1, (count, 256)).round(4)
        lines = [
            f"{label % 10 + 1} " + " ".join(f"{i + 1}:{value}" for i, value in enumerate(row))
            for label, row in enumerate(values)
        ]
        path = tmp_path / ("usps.bz2" if part == "train" else "usps.t.bz2")
        path.write_bytes(bz2.compress("\n".join(lines).encode()))
        md5[path.name] = hashlib.md5(path.read_bytes()).hexdigest()
    source = usps.source(tmp_path, md5)
    arrays = source.read(Form())
    assert source.look(Form()) == arrays.facts
    for part in PARTS:
        theirs = datasets.USPS(tmp_path, train=part == "train")
        check(arrays, part, theirs.data, theirs.targets)
    (tmp_path / "usps.bz2").write_bytes(bz2.compress(b"1 1:0.5 2:x"))
    with pytest.raises(UserError, match=r"usps\.bz2 is damaged"):
        usps.source(tmp_path, md5).look(Form())
