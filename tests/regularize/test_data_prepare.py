from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from regularize.data import idx, load, names, prepared
from regularize.data.digits import enlarge
from regularize.data.stored import ARRAYS, Prepared
from regularize.errors import UserError


def write(root: Path, seed: int = 0) -> None:
    """A small data set `own` as arrays."""
    random = np.random.default_rng(seed)
    np.savez(
        root / "own.npz",
        train_images=random.integers(0, 256, (50, 8, 8), dtype=np.uint8),
        train_labels=np.arange(50) % 5,
        test_images=random.integers(0, 256, (10, 8, 8), dtype=np.uint8),
        test_labels=np.arange(10) % 5,
    )


def state(path: Path) -> tuple[int, int]:
    """Equal for a file as long as nobody writes to it or replaces it."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def array_files(root: Path, name: str = "own") -> set[str]:
    return {path.name for path in (root / "prepared" / name).iterdir() if path.suffix == ".npy"}


def test_digits_are_the_real_ones(tmp_path: Path) -> None:
    digits = load("digits", tmp_path)
    original = load_digits()
    assert digits.train_images.shape == (1437, 28, 28, 1)
    assert torch.cat([digits.train_labels, digits.test_labels]).tolist() == original.target.tolist()
    enlarged = torch.nn.functional.interpolate(
        torch.from_numpy(original.images)[:, None], size=28, mode="bilinear", align_corners=False
    )
    expected = (enlarged * 255 / 16).permute(0, 2, 3, 1)
    images = torch.cat([digits.train_images, digits.test_images])
    assert (images - expected).abs().max() <= 0.5 + 1e-9
    assert prepared("digits", tmp_path).checksum == "69141be1561a6163"


def test_enlarging_keeps_black_and_white() -> None:
    flat = np.stack([np.full((8, 8), value) for value in (0, 16)])
    assert [image.tolist() for image in enlarge(flat)] == [np.full((28, 28, 1), v).tolist() for v in (0, 255)]


def test_a_damaged_official_file_is_never_used(mnist_root: Path, tmp_path: Path) -> None:
    folder = tmp_path / idx.MNIST.folder
    folder.mkdir(parents=True)
    for path in (mnist_root / idx.MNIST.folder).iterdir():
        (folder / path.name).symlink_to(path)
    content = bytearray(idx._content(folder / f"{idx.TEST_LABELS}.gz"))
    content[5000] ^= 1
    (folder / idx.TEST_LABELS).write_bytes(content)
    with pytest.raises(UserError, match=f"{idx.TEST_LABELS} is damaged.*the MD5"):
        prepared("mnist", tmp_path)
    assert not array_files(tmp_path, "mnist")
    (folder / idx.TEST_LABELS).unlink()
    assert prepared("mnist", tmp_path).facts.test == 10_000


def test_the_second_time_nothing_is_written(tmp_path: Path) -> None:
    write(tmp_path)
    first = prepared("own", tmp_path)
    before = state(first.path("train_images"))
    assert prepared("own", tmp_path) == first
    assert state(first.path("train_images")) == before


def test_tensors_are_mapped_and_writing_to_one_changes_no_file(tmp_path: Path) -> None:
    write(tmp_path)
    own = load("own", tmp_path)
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert str(prepared("own", tmp_path).path("train_images")) in maps.read_text()
    kept = own.train_images.clone()
    own.train_images.zero_()
    assert torch.equal(load("own", tmp_path).train_images, kept)


def test_a_changed_source_is_prepared_again(tmp_path: Path) -> None:
    write(tmp_path, seed=0)
    old = load("own", tmp_path)
    kept = old.train_images.clone()
    write(tmp_path, seed=1)
    new = load("own", tmp_path)
    assert not torch.equal(new.train_images, kept)
    assert torch.equal(old.train_images, kept)  # what is mapped stays
    with np.load(tmp_path / "own.npz") as source:
        np.testing.assert_array_equal(new.train_images[..., 0].numpy(), source["train_images"])


def test_a_touched_source_gives_the_same_files(tmp_path: Path) -> None:
    write(tmp_path)
    first = prepared("own", tmp_path)
    before = state(first.path("train_images"))
    os.utime(tmp_path / "own.npz", ns=(1, 1))
    second = prepared("own", tmp_path)
    assert second.source != first.source
    assert state(second.path("train_images")) == before  # other nodes may have it mapped
    assert len(array_files(tmp_path)) == 4


def truncate(ready: Prepared) -> None:
    path = ready.path("train_images")
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    "tear",
    [
        truncate,
        lambda ready: ready.path("test_labels").unlink(),
        lambda ready: (ready.folder / "meta.json").write_text("{"),
        lambda ready: (ready.folder / "meta.json").write_text('{"format": 1}'),
        lambda ready: (ready.folder / "meta.json").write_text('{"format": 0}'),
    ],
)
def test_torn_files_are_made_again_or_else_refused(
    tmp_path: Path, tear: Callable[[Prepared], object]
) -> None:
    write(tmp_path)
    first = prepared("own", tmp_path)
    tear(first)
    assert prepared("own", tmp_path) == first
    assert first.complete()
    (tmp_path / "own.npz").unlink()
    tear(first)
    with pytest.raises(UserError, match="unknown data set 'own'"):
        prepared("own", tmp_path)


def damage(path: Path, position: int) -> None:
    """Flip a bit of a byte; the one that makes a little-endian file a big-endian one, where that is said."""
    with path.open("r+b") as file:
        file.seek(position)
        (byte,) = file.read(1)
        file.seek(position)
        file.write(bytes([byte ^ 2]))


@pytest.mark.parametrize(
    ("array", "positions"),
    [*((array, [200]) for array in ARRAYS), ("test_labels", range(128))],
    ids=[*ARRAYS, "head"],
)
def test_damaged_files_are_named_and_made_again_or_else_refused(
    tmp_path: Path, array: str, positions: Sequence[int], capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path)
    first = prepared("own", tmp_path)
    kept = getattr(load("own", tmp_path), array).clone()
    for position in positions:
        damage(first.path(array), position)
        assert torch.equal(getattr(load("own", tmp_path), array), kept)
        assert f"{first.folder}/*-{first.checksum}.npy: one of them is damaged" in capsys.readouterr().err
    damage(first.path(array), 200)
    (tmp_path / "own.npz").unlink()
    files = re.escape(f"{first.folder}/*-{first.checksum}.npy")
    with pytest.raises(UserError, match=f"^{files}: one of them is damaged, and unknown data set 'own'"):
        load("own", tmp_path)


def test_prepared_data_outlives_its_source(tmp_path: Path) -> None:
    write(tmp_path)
    first = prepared("own", tmp_path)
    (tmp_path / "own.npz").unlink()
    assert prepared("own", tmp_path) == first
    assert "own" in names(tmp_path)


def test_a_root_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "prepared").touch()
    with pytest.raises(UserError, match=f"cannot write to {tmp_path}/prepared/own.*REGULARIZE_DATA"):
        prepared("own", tmp_path)


LOCKLESS = """
def refuse(*arguments): raise OSError("no locks here")
import fcntl; fcntl.flock = refuse
"""
WORKER = """
import sys, time, pathlib
from regularize.data import prepared
root = pathlib.Path(sys.argv[1])
(root / f"ready.{sys.argv[2]}").touch()
while not (root / "go").exists(): time.sleep(0.001)
print(prepared("own", root).checksum, prepared("own", root).complete())
"""


@pytest.mark.parametrize("before", ["", LOCKLESS], ids=["locks", "no locks"])
def test_processes_may_prepare_at_once(tmp_path: Path, before: str) -> None:
    write(tmp_path)
    command = [sys.executable, "-c", before + WORKER, str(tmp_path)]
    workers = [subprocess.Popen([*command, str(i)], stdout=subprocess.PIPE, text=True) for i in range(3)]
    while len(list(tmp_path.glob("ready.*"))) < 3 and all(worker.poll() is None for worker in workers):
        pass
    (tmp_path / "go").touch()
    said = {worker.communicate(timeout=60)[0] for worker in workers}
    assert said == {f"{prepared('own', tmp_path).checksum} True\n"}
    assert len(array_files(tmp_path)) == 4
    left = {path.name for path in (tmp_path / "prepared" / "own").iterdir()} - array_files(tmp_path)
    assert left == {"meta.json", ".lock"}
