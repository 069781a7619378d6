"""Packs that are known by their folders; about a second."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.store import remembered_packs
from jobs.store.pack_status import Packs, read_packs
from jobs.store.remembered_packs import QUIET_SECONDS, look_at_packs
from regularize import pack_files
from regularize.config import pack_id
from regularize.store import PackPaths, PackStatus, Store
from tests.jobs.stores import write_pack


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Three packs that are done and one that runs, of a minute ago."""
    monkeypatch.setattr(remembered_packs, "WORTH", 3)
    store = Store(tmp_path)
    for name in "abc":
        write_pack(store, [name], "done", diverged=("a",), scores={name: (0.5, 0.25)})
    write_pack(store, ["d"], "running")
    monkeypatch.setattr(time, "time_ns", lambda now=time.time_ns: now() + int(1e9 * (QUIET_SECONDS + 1)))
    return store


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The packs of which the status was read."""
    found: list[str] = []
    inner = PackStatus.read

    def counting(path: Path) -> PackStatus:
        found.append(path.parent.name)
        return inner(path)

    monkeypatch.setattr(PackStatus, "read", counting)
    return found


def test_what_was_done_is_not_read_again_and_is_the_same(store: Store, read: list[str]) -> None:
    first, there = look_at_packs(store), len(read)
    assert first == read_packs(store)
    read.clear()
    assert look_at_packs(store) == first
    assert there == 4
    assert read == [pack_id(["d"])]


def test_another_version_judges_anew_what_is_done(
    store: Store, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    look_at_packs(store)
    read.clear()
    monkeypatch.setattr(remembered_packs, "__version__", "later")
    look_at_packs(store)
    assert len(read) == 4


def trained_again(paths: PackPaths) -> None:
    replace(PackStatus.read(paths.status), state="running").write(paths.status)


def set_aside(paths: PackPaths) -> None:
    paths.results.rename(paths.results.with_name("results.parquet.damaged"))


def removed(paths: PackPaths) -> None:
    paths.metrics.unlink()


def moved_away(paths: PackPaths) -> None:
    paths.folder.rename(paths.folder.parent.parent / "elsewhere")


def copied(paths: PackPaths) -> None:
    """With the times of what is copied, and another status."""
    stat = paths.folder.stat()
    moved_away(paths)
    paths.folder.mkdir()
    replace(PackStatus.read(paths.folder.parent.parent / "elsewhere/status.json"), state="failed").write(
        paths.status
    )
    os.utime(paths.folder, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("happens", [trained_again, set_aside, removed, moved_away, copied])
def test_whatever_happens_to_a_folder_is_seen(store: Store, happens: Callable[[PackPaths], None]) -> None:
    before = look_at_packs(store)
    happens(store.pack(pack_id(["b"])))
    found = look_at_packs(store)
    assert found == read_packs(store)
    assert found != before


@pytest.mark.parametrize("happens", [trained_again, set_aside, removed, moved_away, copied])
@pytest.mark.parametrize("quiet", [True, False])
def test_and_by_who_keeps_looking(
    store: Store, monkeypatch: pytest.MonkeyPatch, quiet: bool, happens: Callable[[PackPaths], None]
) -> None:
    if not quiet:
        monkeypatch.undo()
    before = look_at_packs(store, look_at_packs(store))
    happens(store.pack(pack_id(["b"])))
    found = look_at_packs(store, before)
    assert found == read_packs(store)
    assert found != before


def test_who_keeps_looking_reads_what_was_done_once(store: Store, read: list[str]) -> None:
    before = look_at_packs(store)
    read.clear()
    found = look_at_packs(store, before)
    assert read == [pack_id(["d"])]
    assert all(found.statuses[name] is before.statuses[name] for name in before.folders)


def test_a_folder_that_has_just_changed_may_change_unseen_and_is_read_again(
    store: Store, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(remembered_packs, "WORTH", 3)
    look_at_packs(store)
    assert not store.table("statuses").exists()


@pytest.mark.parametrize("quiet", [True, False])
def test_sizes_of_files_are_asked_for_where_a_folder_has_just_changed(
    store: Store, monkeypatch: pytest.MonkeyPatch, quiet: bool
) -> None:
    """Of thousands of packs on a network file system these are most of the round trips."""
    for name in "abc":
        paths = store.pack(pack_id([name]))
        write_pack(store, [name], "done", files=dict(paths.kept()))
        paths.predictions.write_bytes(b"longer than it was")
    if not quiet:
        monkeypatch.undo()
    counted: list[Path] = []
    inner = pack_files.stats_in
    monkeypatch.setattr(pack_files, "stats_in", lambda folder: counted.append(folder) or inner(folder))
    states = Counter(status.state for status in look_at_packs(store).statuses.values())
    assert states == ({"done": 3, "running": 1} if quiet else {"failed": 3, "running": 1})
    assert len(counted) == (0 if quiet else 3)
    states = Counter(status.state for status in read_packs(store).statuses.values())
    assert states == {"failed": 3, "running": 1}, "before anything is done with them"


@pytest.mark.parametrize("damage", [b"", b"PAR1" * 9, b"\x00" * 999])
def test_a_damaged_file_is_written_anew(store: Store, read: list[str], damage: bytes) -> None:
    first = look_at_packs(store)
    store.table("statuses").write_bytes(damage)
    assert look_at_packs(store) == first
    read.clear()
    assert look_at_packs(store) == first
    assert len(read) == 1


def test_a_store_that_may_not_be_written_to_is_read(store: Store) -> None:
    store.tables.write_bytes(b"a file in the folder's place")
    assert look_at_packs(store) == read_packs(store)


def test_what_sync_brought_and_what_is_known_is_read_as_ever(store: Store) -> None:
    look_at_packs(store, Packs({"x": replace(look_at_packs(store).statuses[pack_id(["a"])])}))
    store.table("statuses").unlink()
    store.verified.write_text("{}")
    assert look_at_packs(store) == read_packs(store)
    assert not store.table("statuses").exists()
