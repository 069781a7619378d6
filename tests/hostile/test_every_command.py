"""Every command that looks, at a store and a data root that were made to do harm."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from analysis.export import FORMATS
from jobs.commands.cli import main
from regularize.schemas import RESULTS
from regularize.store import Store, read_table, write_table
from tests.hostile.looking import commands, words
from tests.hostile.stores import RAW, Canary, change_runs, hostile_data_root, hostile_store, store_in


@pytest.fixture
def canary(tmp_path: Path) -> Canary:
    return Canary(tmp_path / "canary")


@pytest.mark.parametrize("name", commands())
def test_nothing_runs_and_the_terminal_gets_no_orders(
    name: str,
    canary: Canary,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, data = hostile_store(tmp_path / "evil", canary), hostile_data_root(tmp_path / "data", canary)
    monkeypatch.chdir(tmp_path)
    for typed in words(name, store, data, tmp_path / "out"):
        assert main(typed) in (0, 1, 2)
        said = "".join(capsys.readouterr())
        assert not RAW.search(said), RAW.findall(said)
        assert "Traceback" not in said
        assert "private text" not in said
    canary.check()
    if store.report.exists():
        assert "private text" not in store.report.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FORMATS)
def test_no_export_leaves_its_folder_whatever_names_are(name: str, tmp_path: Path) -> None:
    store = store_in(tmp_path / "evil")
    change_runs(store, lambda row: dict.fromkeys(("dataset", "model", "regularizer"), ".."))
    for path in store.packs.glob("*/results.parquet"):
        rows = read_table(path).to_pylist()
        write_table(path, [row | {"finished_at": "never"} for row in rows], RESULTS)
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(store.folder)}
    out = tmp_path / "a" / "b" / "c" / "out"
    assert main(["export", str(store.folder), "--to", name, "--out", str(out)]) == 0
    found = {path for path in tmp_path.rglob("*") if not path.is_relative_to(store.folder)} - before
    assert {path for path in found if not path.is_relative_to(out)} <= {*out.parents}
    assert any(path.is_file() for path in found)


@pytest.mark.parametrize(
    "part", ["figures", "tables", "exports", "sweep.yaml", "packs", "journal.jsonl", "pipe"]
)
def test_what_leads_out_of_a_store_is_refused(
    part: str, canary: Canary, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path / "evil")
    store.folder.mkdir()
    path = store.folder / part
    if part == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(canary.private if path.suffix else canary.folder)
    for name in commands():
        for typed in words(name, store, tmp_path / "data", tmp_path / "out"):
            if str(store.folder) in typed:
                assert main(typed) == 2
                assert f"{path} is " in capsys.readouterr().err
    canary.check()
