from __future__ import annotations

import multiprocessing as mp
import os
from pathlib import Path

import numpy as np
import pytest

from regularize.data import load, prepared, staged
from regularize.errors import UserError
from tests.regularize.test_data_prepare import damage, state, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    write(folder)
    return folder


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As a config names it, by a variable of the node."""
    (tmp_path / "near").mkdir()
    monkeypatch.setenv("NODE_DISK", str(tmp_path / "near"))
    return Path("$NODE_DISK")


def test_what_is_copied_is_the_same_and_read_without_the_data_root(root: Path, scratch: Path) -> None:
    there = load("own", root)
    near = staged("own", root, scratch)
    (root / "own.npz").rename(root / "away")
    (root / "prepared").rename(root / "gone")
    here = load("own", near)
    assert np.array_equal(here.train_images, there.train_images)
    assert np.array_equal(here.test_labels, there.test_labels)
    assert (here.mean, here.std, here.shape) == (there.mean, there.std, there.shape)


def test_it_is_copied_once_and_again_when_the_source_changes(root: Path, scratch: Path) -> None:
    near = staged("own", root, scratch)
    before = state(prepared("own", near).path("train_images"))
    assert staged("own", root, scratch) == near
    assert state(prepared("own", near).path("train_images")) == before
    write(root, seed=1)
    assert staged("own", root, scratch) == near
    assert prepared("own", near).checksum == prepared("own", root).checksum


def test_the_sets_of_two_data_roots_are_kept_apart(root: Path, scratch: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write(other, seed=1)
    first, second = staged("own", root, scratch), staged("own", other, scratch)
    assert prepared("own", first).checksum == prepared("own", root).checksum
    assert prepared("own", second).checksum == prepared("own", other).checksum


def test_a_torn_copy_is_made_again(root: Path, scratch: Path) -> None:
    path = prepared("own", staged("own", root, scratch)).path("train_images")
    content = path.read_bytes()
    path.write_bytes(content[:100])
    staged("own", root, scratch)
    assert path.read_bytes() == content


def test_a_damaged_copy_is_made_again_and_a_damaged_original_never_copied(root: Path, scratch: Path) -> None:
    original, copy = (prepared("own", at).path("train_images") for at in (root, staged("own", root, scratch)))
    content = original.read_bytes()
    damage(copy, 200)
    staged("own", root, scratch)
    assert copy.read_bytes() == content
    damage(original, 200)
    copy.unlink()
    staged("own", root, scratch)
    assert copy.read_bytes() == original.read_bytes() == content


def test_many_at_once(root: Path, scratch: Path) -> None:
    with mp.get_context("spawn").Pool(4) as pool:
        found = pool.starmap(staged, [("own", root, scratch)] * 8)
    assert len(set(found)) == 1
    assert prepared("own", found[0]).checksum == prepared("own", root).checksum


@pytest.mark.parametrize(
    ("scratch_text", "words"),
    [("/nowhere", "No such file"), ("$NOT_SET_HERE/x", r"scratch is \$NOT_SET_HERE/x.*No such file")],
)
def test_a_folder_that_is_not_there(root: Path, scratch_text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        staged("own", root, Path(scratch_text))


def test_what_somebody_else_put_there_is_not_read(
    root: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    near = staged("own", root, scratch).parent
    near.rename(near.with_name("elsewhere"))
    near.symlink_to(near.with_name("elsewhere"))
    with pytest.raises(UserError, match="is not a folder"):
        staged("own", root, scratch)
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    near.with_name("elsewhere").rename(near.with_name("regularize-4711"))
    with pytest.raises(UserError, match="somebody else's"):
        staged("own", root, scratch)
