"""The stream of a store's files: what it holds, and how it goes on after it was cut."""

from __future__ import annotations

import io
import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from analysis.statistics import looks
from jobs.remote.store_files import Receiver, send
from jobs.store.kept_inputs import accept, accepted, keep_data, kept_data
from regularize.errors import UserError
from regularize.store import Store, write_bytes, write_json
from tests.analysis.conftest import Sweep as Synthetic
from tests.analysis.conftest import build_store


@pytest.fixture
def far(tmp_path: Path) -> Store:
    store = Store(tmp_path / "far" / "small")
    build_store(store.folder, Synthetic(datasets=("digits",), epochs=2))
    for folder in sorted(store.packs.iterdir())[:1]:
        store.pack(folder.name).weights.write_bytes(os.urandom(300_000))
    return store


def stream(far: Store, home: Path) -> bytes:
    out = io.BytesIO()
    had = json.loads(json.dumps(asdict(Receiver(home).had())))
    send(far, had, out, weights=True)
    return out.getvalue()


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_stream_that_is_cut_anywhere_goes_on_where_it_stopped(
    far: Store, tmp_path: Path, share: float
) -> None:
    home = tmp_path / "home"
    whole = stream(far, home)
    cut = int(len(whole) * share)
    first = Receiver(home)
    for at in range(0, cut, 4096):
        first.feed(whole[at : min(at + 4096, cut)])
    first.close()
    named = {name: data for name, data in files(home).items() if not name.endswith(".partial")}
    assert named.items() <= files(far.folder).items()  # each whole or not there
    rest = stream(far, home)
    assert len(rest) < len(whole) - cut + 2000  # nothing twice, but for a header
    second = Receiver(home)
    second.feed(rest)
    wanted = files(far.folder)
    assert files(home) == {name: data for name, data in wanted.items() if name in files(home)}
    assert {"runs.parquet"} | {name for name in wanted if name.endswith("weights.pt")} <= set(files(home))
    assert first.count + second.count == len(files(home))
    assert stream(far, home) == b""


def test_a_part_of_a_file_that_has_changed_is_not_used(far: Store, tmp_path: Path) -> None:
    home = tmp_path / "home"
    receiver = Receiver(home)
    receiver.feed(stream(far, home)[:-1000])  # within the weights
    receiver.close()
    (weights,) = far.packs.glob("*/weights.pt")
    weights.write_bytes(os.urandom(300_000))
    receiver = Receiver(home)
    receiver.feed(stream(far, home))
    assert files(home)[weights.relative_to(far.folder).as_posix()] == weights.read_bytes()
    assert not list(home.rglob("*.partial"))


def test_times_that_a_disk_rounds_are_the_same_times(far: Store, tmp_path: Path) -> None:
    home = tmp_path / "home"
    Receiver(home).feed(stream(far, home))
    for grain in (100, 1000, 10**9, 2 * 10**9):
        for path in home.rglob("*.parquet"):
            time = (far.folder / path.relative_to(home)).stat().st_mtime_ns
            os.utime(path, ns=(time, time - time % grain))
        assert stream(far, home) == b""
    os.utime(path, ns=(time, time - 5 * 10**9))
    assert len(stream(far, home)) > path.stat().st_size


def test_what_tables_name_comes_with_them_and_looks_stand_beside_those_here(
    far: Store, tmp_path: Path
) -> None:
    home = Store(tmp_path / "home")
    write_json(home.looks, [{"time": "2026-02-02", "problems": {"here": {}}}])
    write_json(far.looks, [{"time": "2026-01-01", "problems": {"there": {}}}])
    accept(far, "code", ["a" * 12], "b" * 12, "kept", 3)
    write_bytes(far.code("a" * 12), b"an archive")
    data = {"name": "digits", "train": 900, "test": 300, "classes": 10}
    keep_data(far, "c" * 12, data)
    ours = home.looks.read_bytes()
    Receiver(home.folder).feed(stream(far, home.folder))
    assert home.looks.read_bytes() == ours
    assert [look["time"] for look in looks.read(home)] == ["2026-01-01", "2026-02-02"]
    assert accepted(home) == accepted(far) != []
    assert kept_data(home, "c" * 12) == data
    assert home.code("a" * 12).read_bytes() == b"an archive"
    assert stream(far, home.folder) == b""


@pytest.mark.parametrize("path", ["/etc/x", "../x", "packs/../../x"])
def test_a_cluster_cannot_write_elsewhere(tmp_path: Path, path: str) -> None:
    header = {"path": path, "size": 1, "time": 0, "begin": 0}
    with pytest.raises(UserError, match="which is no file of a sweep"):
        Receiver(tmp_path / "home").feed(json.dumps(header).encode() + b"\nx")
    assert not list(tmp_path.iterdir())
