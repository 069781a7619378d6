from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

import pytest

from jobs.store import pack_status
from jobs.store.pack_status import failure, read_pack, read_packs
from regularize import awaited
from regularize.config import pack_id
from regularize.errors import UserError
from regularize.store import PackPaths, PackStatus, Store
from tests.jobs.stores import write_pack


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_store_without_packs_has_none(store: Store) -> None:
    assert read_packs(store).statuses == {}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"state": "done"}', "\x00", '{"state": "odd"}'], ids=lambda t: repr(t)
)
def test_a_status_that_cannot_be_read_is_named(store: Store, text: str) -> None:
    paths = write_pack(store, ["a"], "done")
    paths.status.write_text(text, encoding="utf-8")
    found = read_packs(store)
    assert not found.statuses
    assert str(paths.status) in found.broken[pack_id(["a"])]


@pytest.mark.parametrize("changes", [{"state": "odd"}, {"step": "1"}, {"pid": None}])
def test_so_is_one_with_values_that_make_no_sense(store: Store, changes: dict[str, object]) -> None:
    write_pack(store, ["a"], **{"state": "running"} | changes)  # type: ignore[arg-type]
    assert len(read_packs(store).broken) == 1


def test_a_done_pack_whose_results_are_gone_or_damaged_has_to_be_trained_again(store: Store) -> None:
    gone, damaged, whole = (write_pack(store, [name], "done") for name in "abc")
    gone.results.unlink()
    damaged.predictions.rename(damaged.predictions.with_name("predictions.parquet.damaged"))
    whole.predictions.with_name("predictions.parquet.damaged").touch()  # written anew since
    states = {s.runs[0]: (s.state, s.step) for s in read_packs(store).statuses.values()}
    assert states == {"a": ("failed", 0), "b": ("failed", 0), "c": ("done", 100)}
    assert failure(gone) == "results.parquet is missing or damaged"
    assert failure(damaged) == "predictions.parquet is missing or damaged"


@pytest.mark.parametrize("name", ["predictions", "spectra", "weights"])
def test_a_done_pack_lacks_nothing_of_what_it_kept(store: Store, name: str) -> None:
    paths = write_pack(store, ["a"], "done")
    for path in (paths.spectra, paths.weights):
        path.write_bytes(b"kept")
    write_pack(store, ["a"], "done", files=dict(paths.kept()))
    assert read_packs(store).statuses[paths.folder.name].state == "done"
    kept: Path = getattr(paths, name)
    for harm in (lambda: kept.write_bytes(b"longer"), kept.unlink):
        harm()
        assert read_packs(store).statuses[paths.folder.name].state == "failed"
        assert failure(paths) == f"{kept.name} is missing or damaged"


def test_what_sync_brought_is_done_without_its_networks(store: Store) -> None:
    paths = write_pack(store, ["a"], "done", files={"results.parquet": 0, "weights.pt": 400})
    assert read_packs(store).statuses[paths.folder.name].state == "failed"
    store.verified.write_text("{}", encoding="utf-8")
    assert read_packs(store).statuses[paths.folder.name].state == "done"


@pytest.mark.parametrize("place", ["a file", "a link to itself"])
def test_what_is_no_folder_of_packs_is_named(store: Store, place: str) -> None:
    if place == "a file":
        store.packs.touch()
    else:
        store.packs.symlink_to(store.packs)
    with pytest.raises(UserError, match="packs cannot be read: "):
        read_packs(store)


def test_packs_that_were_done_before_are_not_read_again(store: Store) -> None:
    done, running = write_pack(store, ["a"], "done"), write_pack(store, ["b"], "running")
    before = read_packs(store)
    done.status.unlink()
    write_pack(store, ["b"], "interrupted")
    found = read_packs(store, before)
    assert {s.runs[0]: s.state for s in found.statuses.values()} == {"a": "done", "b": "interrupted"}
    assert running.folder.name in found.statuses


def test_the_last_line_of_an_error_says_why(store: Store) -> None:
    paths = write_pack(store, ["a"], "failed")
    paths.error.write_text("Traceback:\n  somewhere\nValueError: too small\n", encoding="utf-8")
    assert failure(paths) == "ValueError: too small"


def test_a_pack_that_was_not_begun_has_no_status(store: Store) -> None:
    assert read_pack(store.pack("none")) is None


def test_many_packs_are_read_side_by_side_and_told_in_order(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a network file system reading is waiting: a barrier that one reader alone would never pass."""
    for number in range(40):
        write_pack(store, [f"run{number}"], "done" if number % 2 else "running")
    damaged = store.pack(pack_id(["run3"]))
    damaged.status.write_text("{", encoding="utf-8")
    barrier = threading.Barrier(2, timeout=60)

    def slow(paths: PackPaths, brought: bool | None, *, sizes: bool) -> PackStatus | None:
        with suppress(KeyError):
            waiting.remove(paths.folder.name)
            barrier.wait()
        return read_pack(paths, brought, sizes=sizes)

    names = sorted(path.name for path in store.packs.iterdir())
    waiting = {names[16], names[32]}  # of two parts, after the one that tells how long it takes
    monkeypatch.setattr(awaited, "WAITING", 0)
    monkeypatch.setattr(awaited, "MORE", 0)
    monkeypatch.setattr(pack_status, "read_pack", slow)
    found = read_packs(store)
    assert not waiting
    assert list(found.statuses) == [name for name in names if name != damaged.folder.name]
    assert list(found.broken) == [damaged.folder.name]
    done = {name for name, status in found.statuses.items() if status.state == "done"}
    assert read_packs(store, found).statuses == found.statuses
    assert len(done) == 19
