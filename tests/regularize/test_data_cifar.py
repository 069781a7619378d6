from __future__ import annotations

import hashlib
import io
import os
import pickle
import re
import struct
import tarfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from regularize.data import cifar
from regularize.data.form import Form
from regularize.data.source import Arrays, MissingDataError
from regularize.errors import UserError

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
LABELS = np.array([3, 1, 4, 1, 5, 9, 2, 6])


def rows(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)


def binary(images: np.ndarray, labels: np.ndarray, label_bytes: int) -> bytes:
    coarse = np.full((len(labels), label_bytes - 1), 7)
    return np.hstack([coarse, labels[:, None], rows(images)]).astype(np.uint8).tobytes()


def python(images: np.ndarray, labels: np.ndarray, key: bytes) -> bytes:
    """A batch as Python 2 pickled the official ones: protocol 2, byte strings, numpy's old names."""

    def short(text: bytes) -> bytes:
        return b"U" + bytes([len(text)]) + text

    def integer(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    data = rows(images)
    state = b"(K\x01" + integer(data.shape[0]) + integer(data.shape[1]) + b"\x86"
    state += b"cnumpy\ndtype\n" + short(b"u1") + b"K\x00K\x01\x87R"
    state += b"(K\x03" + short(b"|") + b"NNN" + integer(-1) * 2 + b"K\x00tb"
    state += b"\x89T" + struct.pack("<i", data.size) + data.tobytes() + b"t"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + short(b"b") + b"\x87R"
    numbers = b"](" + b"".join(integer(label) for label in labels.tolist()) + b"e"
    return b"\x80\x02}(" + short(b"data") + array + state + b"b" + short(key) + numbers + b"u."


def small(layout: cifar.Layout, contents: dict[str, bytes]) -> cifar.Layout:
    """The layout with the checksums, or the sizes, of small files."""

    def proof(name: str, official: str | int) -> str | int:
        return hashlib.md5(contents[name]).hexdigest() if isinstance(official, str) else len(contents[name])

    return replace(
        layout,
        train={name: proof(name, official) for name, official in layout.train.items()},
        test={name: proof(name, official) for name, official in layout.test.items()},
    )


ENCODE = {
    "cifar-10-batches-py": partial(python, key=b"labels"),
    "cifar-10-batches-bin": partial(binary, label_bytes=1),
    "cifar-100-python": partial(python, key=b"fine_labels"),
    "cifar-100-binary": partial(binary, label_bytes=2),
}
LAYOUTS = {layout.folder: layout for layout in (*cifar.CIFAR10, *cifar.CIFAR100)}


def files(layout: cifar.Layout) -> dict[str, bytes]:
    """Each training file holds the images, in reverse in every second one; the test file two."""
    contents = {
        name: ENCODE[layout.folder](IMAGES[:: (-1) ** i], LABELS[:: (-1) ** i])
        for i, name in enumerate(layout.train)
    }
    return contents | {name: ENCODE[layout.folder](IMAGES[:2], LABELS[:2]) for name in layout.test}


def write_folder(root: Path, layout: cifar.Layout, contents: dict[str, bytes]) -> None:
    (root / layout.folder).mkdir()
    for name, content in contents.items():
        (root / layout.folder / name).write_bytes(content)


def write_archive(root: Path, layout: cifar.Layout, contents: dict[str, bytes]) -> None:
    with tarfile.open(root / layout.archive, "w:gz") as archive:
        for name, content in {"readme.html": b"", **contents}.items():
            member = tarfile.TarInfo(f"{layout.folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def check(arrays: Arrays, batches: int) -> None:
    assert arrays.train_images.shape == (8 * batches, 32, 32, 3)
    np.testing.assert_array_equal(arrays.train_images[:8], IMAGES)
    np.testing.assert_array_equal(arrays.train_labels[:8], LABELS)
    np.testing.assert_array_equal(arrays.train_labels[-8:], LABELS)  # 1 batch or 5: both end forwards
    np.testing.assert_array_equal(arrays.test_images, IMAGES[:2])
    np.testing.assert_array_equal(arrays.test_labels, LABELS[:2])


@pytest.mark.parametrize("write", [write_folder, write_archive])
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_official_format_is_read(
    tmp_path: Path, name: str, write: Callable[[Path, cifar.Layout, dict[str, bytes]], None]
) -> None:
    contents = files(LAYOUTS[name])
    layout = small(LAYOUTS[name], contents)
    write(tmp_path, layout, contents)
    check(cifar.source(tmp_path, (layout,)).read(Form()), len(layout.train))


def test_python_pickle_is_what_torchvision_reads() -> None:
    """The hand-made pickle of these tests is a true one: Python's own unpickler gives the arrays."""
    batch = pickle.loads(python(IMAGES, LABELS, b"labels"), encoding="latin1")  # noqa: S301
    np.testing.assert_array_equal(batch["data"], rows(IMAGES))
    assert batch["labels"] == LABELS.tolist()


def test_an_incomplete_folder_gives_way_to_the_archive(tmp_path: Path) -> None:
    contents = files(LAYOUTS["cifar-10-batches-py"])
    layout = small(LAYOUTS["cifar-10-batches-py"], contents)
    write_folder(tmp_path, layout, {"data_batch_1": contents["data_batch_1"]})
    write_archive(tmp_path, layout, contents)
    check(cifar.source(tmp_path, (layout,)).read(Form()), 5)


def test_missing_files_are_listed_with_their_folder(tmp_path: Path) -> None:
    write_folder(tmp_path, LAYOUTS["cifar-10-batches-py"], {"data_batch_2": b"", "test_batch": b""})
    with pytest.raises(MissingDataError) as caught:
        cifar.source(tmp_path, cifar.CIFAR10)
    assert str(caught.value) == (
        f"put data_batch_1, data_batch_3, data_batch_4, data_batch_5 into {tmp_path}/cifar-10-batches-py, or "
        f"cifar-10-python.tar.gz or cifar-10-batches-bin/ or cifar-10-binary.tar.gz into {tmp_path}"
    )


@pytest.mark.parametrize(
    ("name", "file", "change", "complaint"),
    [
        ("cifar-10-batches-py", "data_batch_2", slice(0, -1), "its MD5 is"),
        ("cifar-100-binary", "test.bin", slice(0, -1), "its size in bytes is 6147, the official file's 6148"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, file: str, change: slice, complaint: str) -> None:
    contents = files(LAYOUTS[name])
    layout = small(LAYOUTS[name], contents)
    write_folder(tmp_path, layout, contents | {file: contents[file][change]})
    path = re.escape(str(tmp_path / name / file))
    with pytest.raises(UserError, match=f"{path} is damaged.*{complaint}"):
        cifar.source(tmp_path, (layout,)).read(Form())


def test_labels_out_of_range_are_named(tmp_path: Path) -> None:
    contents = files(LAYOUTS["cifar-10-batches-bin"])
    contents["data_batch_3.bin"] = binary(IMAGES, LABELS + 1, 1)
    layout = small(LAYOUTS["cifar-10-batches-bin"], contents)
    write_folder(tmp_path, layout, contents)
    with pytest.raises(UserError, match=r"data_batch_3\.bin is damaged.*labels up to 10 where there are 10"):
        cifar.source(tmp_path, (layout,)).read(Form())


@pytest.mark.parametrize("part", ["truncated", "incomplete"])
def test_a_damaged_archive_is_named(tmp_path: Path, part: str) -> None:
    contents = files(LAYOUTS["cifar-100-python"])
    layout = small(LAYOUTS["cifar-100-python"], contents)
    write_archive(tmp_path, layout, contents if part == "truncated" else {"train": contents["train"]})
    path = tmp_path / layout.archive
    if part == "truncated":
        path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match=f"{re.escape(str(path))} is damaged"):
        cifar.source(tmp_path, (layout,)).read(Form())


class Attack:
    def __init__(self, function: object, argument: str) -> None:
        self.call = (function, (argument,))

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("function", "argument"),
    [(os.mkdir, "{}"), (os.system, "mkdir {}"), (eval, "__import__('os').mkdir('{}')"), (np.load, "{}")],
)
def test_a_pickle_is_never_executed(tmp_path: Path, function: object, argument: str, protocol: int) -> None:
    target = tmp_path / "made"
    batch = {b"data": Attack(function, argument.format(target)), b"labels": []}
    with pytest.raises(ValueError, match="asks for"):
        cifar.parse_python(pickle.dumps(batch, protocol=protocol), b"labels")
    assert not target.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        python(IMAGES, LABELS, b"labels")[:500],
        python(IMAGES, LABELS, b"fine_labels"),
        pickle.dumps([1, 2]),
        pickle.dumps({b"data": 3, b"labels": [1]}),
    ],
)
def test_what_is_no_batch_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"pickle|array"):
        cifar.parse_python(content, b"labels")


def test_the_checksums_are_those_of_torchvision() -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    for layout, official in (
        (cifar.CIFAR10[0], datasets.CIFAR10),
        (cifar.CIFAR100[0], datasets.CIFAR100),
    ):
        assert (layout.folder, layout.archive) == (official.base_folder, official.filename)
        assert [list(pair) for pair in layout.train.items()] == official.train_list
        assert [list(pair) for pair in layout.test.items()] == official.test_list
