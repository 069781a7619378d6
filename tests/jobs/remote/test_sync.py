"""Stores that come home: what is brought, what is not, and what is damaged."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from jobs.commands.cli import main
from regularize.store import Store
from tests.analysis.conftest import Sweep as Synthetic
from tests.analysis.conftest import build_store
from tests.jobs.stores import status

SYNC = ["sync", "sweep.yaml", "--cluster", "far.yaml"]


@pytest.fixture
def far(there: Path) -> Store:
    """A finished sweep on the other side."""
    store = Store(there / "base" / "results" / "small")
    build_store(store.folder, Synthetic(datasets=("digits",), epochs=2))
    for folder in store.packs.iterdir():
        pack = store.pack(folder.name)
        with zipfile.ZipFile(pack.weights, "w") as archive:
            archive.writestr("data", b"weights" * 100)
        pack.checkpoint.write_bytes(b"large")
    return store


@pytest.fixture
def home() -> Store:
    return Store(Path("results/small"))


def first(store: Store, name: str) -> Path:
    path: Path = getattr(store.pack(sorted(store.packs.iterdir())[0].name), name)
    return path


def flip(path: Path) -> bytes:
    """Change one byte of the data; returns what was there."""
    before = path.read_bytes()
    harmed = bytearray(before)
    harmed[len(harmed) // 5] ^= 0xFF
    path.write_bytes(harmed)
    return before


def test_tables_come_and_only_what_is_new_comes_again(
    far: Store, home: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(SYNC) == 0
    assert home.runs.read_bytes() == far.runs.read_bytes()
    names = {path.name for path in home.folder.rglob("*") if path.is_file()}
    assert {"results.parquet", "metrics.parquet", "status.json"} <= names
    assert names.isdisjoint({"weights.pt", "checkpoint.pt"})
    capfd.readouterr()
    assert main(SYNC) == 0
    assert "0 files brought" in capfd.readouterr().out
    assert main([*SYNC, "--weights"]) == 0
    assert first(home, "weights").read_bytes() == first(far, "weights").read_bytes()
    assert not first(home, "checkpoint").exists()


@pytest.mark.parametrize("name", ["results", "metrics", "weights"])
def test_what_is_damaged_is_named_and_comes_again(
    far: Store, home: Store, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = flip(first(far, name))
    assert main([*SYNC, "--weights"]) == 1
    assert f"warning: {first(home, name)} is damaged: " in capfd.readouterr().err
    assert not first(home, name).exists()
    first(far, name).write_bytes(whole)
    assert main([*SYNC, "--weights"]) == 0
    assert first(home, name).read_bytes() == whole


def test_a_table_without_all_runs_and_one_that_is_missing_are_named(
    far: Store, home: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    one, other = (far.pack(folder.name) for folder in sorted(far.packs.iterdir())[:2])
    status(["a", "b"], "done").write(one.status)
    other.results.unlink()
    assert main(SYNC) == 1
    err = capfd.readouterr().err
    assert "of its pack's 2 runs" in err
    assert "it is missing, although its pack is done" in err


def test_a_sweep_that_is_not_there(there: Path, home: Store, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(SYNC) == 2
    assert f"far: there is no sweep small in {there}/base/results" in capfd.readouterr().err
    assert not home.folder.exists()


def test_a_name_that_leads_elsewhere_is_refused(far: Store, capfd: pytest.CaptureFixture[str]) -> None:
    Path("sweep.yaml").write_text("name: ../small\n")
    assert main(SYNC) == 2
    assert "name is '../small', but must be" in capfd.readouterr().err


def test_the_folder_at_home_is_a_sweep_too(far: Store, home: Store) -> None:
    assert main(SYNC) == 0
    shutil.rmtree(home.packs)
    assert main(["sync", str(home.folder), "--cluster", "far.yaml"]) == 0
    assert first(home, "results").exists()
