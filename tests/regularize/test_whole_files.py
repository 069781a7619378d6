from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from regularize import checkpoint
from regularize.errors import NoSpaceError, UserError
from regularize.store import DamagedFileError
from regularize.whole_files import read_json, stats_in, write_json, write_text


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space left to write"),
        (errno.EDQUOT, "the quota leaves no space to write"),
        (errno.EROFS, "cannot be written: Read-only file system"),
        (errno.EACCES, "cannot be written: Permission denied"),
        (errno.EIO, "cannot be written: Input/output error"),
    ],
)
def test_a_file_that_cannot_be_written_is_named_and_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    path = tmp_path / "file"
    write_text(path, "before")
    with monkeypatch.context() as failing:
        failing.setattr(os, "fsync", fail)
        with pytest.raises(UserError, match=words) as raised:
            write_text(path, "after")
    assert str(path) in str(raised.value)
    assert isinstance(raised.value, NoSpaceError) == (number in (errno.ENOSPC, errno.EDQUOT))
    assert [path.read_text(encoding="utf-8"), *tmp_path.iterdir()] == ["before", path]


@pytest.mark.parametrize("place", ["a file", "a link to itself"])
def test_a_folder_that_is_none_is_one_clear_error(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "folder"
    if place == "a file":
        folder.touch()
    else:
        folder.symlink_to(folder)
    with pytest.raises(UserError, match="cannot be written: "):
        write_text(folder / "file", "")
    assert list(tmp_path.iterdir()) == [folder]


def test_any_flipped_bit_of_an_object_is_noticed_or_harmless(tmp_path: Path) -> None:
    path, value = tmp_path / "value.json", {"a": [1, 2.5, None], "b": {"c": "µ"}, "runs": ["x"] * 3}
    write_json(path, value)
    before, noticed = path.read_bytes(), 0
    for bit in range(8 * len(before)):
        data = bytearray(before)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        try:
            found = read_json(path)
        except ValueError:
            noticed += 1
        else:
            # The name of the checksum itself may be another word.
            assert {key: found[key] for key in value} == value
    assert noticed > 4 * len(before)


def test_what_json_writes_in_its_own_way_is_still_what_the_checksum_is_of(tmp_path: Path) -> None:
    write_json(tmp_path / "value.json", {"sizes": {2: (1, 2), 10: 0.1}, "none": {True: None}})
    found = read_json(tmp_path / "value.json")
    assert found == {"sizes": {"2": [1, 2], "10": 0.1}, "none": {"true": None}}


def test_any_flipped_bit_of_an_archive_is_noticed_or_harmless(tmp_path: Path) -> None:
    path, whole = tmp_path / "weights.pt", {"w": torch.linspace(-1, 1, 50)}
    checkpoint.save(path, whole)
    before, noticed = path.read_bytes(), 0
    for bit in random.Random(15).sample(range(8 * len(before)), 1500):
        data = bytearray(before)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        try:
            found = checkpoint.load(path)
        except DamagedFileError:
            noticed += 1
        else:
            assert torch.equal(found["w"], whole["w"]), bit
    assert noticed > 500


def test_a_listing_goes_on_where_a_file_of_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As temporary files of a pack at work are: what came after them was not seen, a table among it."""
    for name in ("one", "temporary", "two"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    scandir = os.scandir

    @contextmanager
    def slow(folder: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
        with scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
            (tmp_path / "temporary").unlink()
            yield iter(found)

    monkeypatch.setattr(os, "scandir", slow)
    assert {name: stat.st_size for name, stat in stats_in(tmp_path).items()} == {"one": 3, "two": 3}
    monkeypatch.undo()
    assert stats_in(tmp_path / "none") == {}
