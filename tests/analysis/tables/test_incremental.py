"""What has not changed is neither read nor written again: a pack's file is read once, when it is new."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.tables import collect as collect_module
from analysis.tables import collected_rows
from analysis.tables.collect import NAMES, collect
from analysis.tables.collected_files import CELL, cell_file, files_of
from analysis.tables.pack_files import Packs
from analysis.tables.store_tables import Tables
from regularize import tables
from regularize.store import RUNS, PackStatus, Store, write_table

MakeStore = Callable[..., Store]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[Path]:
    """How often each file of a pack was read."""
    found: Counter[Path] = Counter()
    whole = tables.read_table

    def counted(path: Path, *args: object) -> pa.Table:
        if path.parent.parent.name == "packs":
            found[path] += 1
        return whole(path, *args)

    for module in ("pack_files", "readable_rows"):
        monkeypatch.setattr(f"analysis.tables.{module}.read_table", counted)
    return found


def trained(make_store: MakeStore) -> Store:
    """Packs that say that they are done, as those of training do."""
    store = make_store(datasets=["mnist", "cifar10"], pack_runs=3)
    for folder in store.packs.iterdir():
        pack = store.pack(folder.name)
        runs = tuple(pq.read_table(pack.results)["run_id"].to_pylist())
        PackStatus(
            state="done", runs=runs, step=9, steps=9, epoch=5, epochs=5, seconds=1.0, started_at="2026-01-01",
            updated_at="2026-01-01", host="here", pid=1, files=dict(pack.kept()),
        ).write(pack.status)  # fmt: skip
    return store


def everything(store: Store) -> dict[str, pa.Table]:
    return {name: Tables(store).rows(name) for name in NAMES}


def written(store: Store) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in store.tables.rglob("*.parquet") if path.is_file()}


def test_every_file_of_a_pack_is_read_once(make_store: MakeStore, read: Counter[Path]) -> None:
    store = trained(make_store)
    collect(store)
    wanted = {path for name in NAMES for path in store.packs.glob(f"*/{name}.parquet")}
    assert dict(read) == dict.fromkeys(wanted, 1)
    collect(store)
    assert set(read.values()) == {1}


def test_one_new_pack_reads_its_files_and_writes_its_cell(
    make_store: MakeStore, read: Counter[Path], tmp_path: Path
) -> None:
    store = trained(make_store)
    pack = sorted(store.packs.iterdir())[0]
    run = pq.read_table(pack / "results.parquet")["run_id"][0].as_py()
    pack.rename(tmp_path / "later")
    collect(store)
    before = written(store)
    read.clear()
    (tmp_path / "later").rename(pack)
    collect(store)
    assert {path.parent for path in read} == {pack}
    row = next(row for row in pq.read_table(store.table("runs")).to_pylist() if row["run_id"] == run)
    cell = tuple(row[name] for name in CELL)
    changed = {path for path, time in written(store).items() if before.get(path) != time}
    mine = {cell_file(store.table(name), cell) for name in NAMES[2:]}
    assert changed == {store.table("results"), store.table("packs"), *mine}


def test_step_by_step_gives_what_once_gives(make_store: MakeStore, tmp_path: Path) -> None:
    """Packs that come, go and come back changed, and a table that was damaged meanwhile."""
    store = trained(make_store)
    packs = sorted(store.packs.iterdir())
    for number, pack in enumerate(packs):
        pack.rename(tmp_path / pack.name)
        collect(store) if number % 5 == 0 else None
    for number, pack in enumerate(packs):
        shutil.copytree(tmp_path / pack.name, pack)
        collect(store) if number % 3 == 0 else None
    shutil.rmtree(packs[0])
    collect(store)
    shutil.copytree(tmp_path / packs[0].name, packs[0])
    path = files_of(store.table("metrics"), [("mnist", None, "lenet5", "l2")])[1]
    path.write_bytes(path.read_bytes()[:-9])
    collect(store)
    stepwise = everything(store)
    shutil.rmtree(store.tables)
    collect(store)
    assert {name for name, table in everything(store).items() if not table.equals(stepwise[name])} == set()


def test_runs_that_are_planned_anew_are_read_as_they_are_planned(make_store: MakeStore) -> None:
    """A run that is only reported now, and an entry that the sweep has no more."""
    store = trained(make_store)
    collect(store)
    runs = pq.read_table(store.runs).to_pylist()
    for run in runs:
        run["phase"] = "report"
        run["planned"] = run["regularizer"] != "l2"
    write_table(store.runs, runs, RUNS)
    collect(store)
    for name in NAMES:
        rows = pq.read_table(store.table(name))
        assert set(rows["phase"].to_pylist()) <= {"report"}
        assert "l2" not in rows["regularizer"].to_pylist()
    assert not list(store.table("metrics").glob("*l2*"))


def test_a_file_of_rows_of_an_earlier_version_gives_way(make_store: MakeStore) -> None:
    store = trained(make_store)
    collect(store)
    whole = everything(store)
    shutil.rmtree(store.table("metrics"))
    pq.write_table(whole["metrics"], store.table("metrics"))
    assert collect(store).written == ("metrics",)
    assert everything(store)["metrics"].equals(whole["metrics"])


def test_a_cell_of_many_runs_is_written_some_at_a_time(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = trained(make_store)
    collect(store)
    whole = everything(store)
    monkeypatch.setattr(collected_rows, "_RUNS_AT_ONCE", 4)
    held: list[int] = []
    in_order = collected_rows.in_order

    def counted(pieces: list[pa.Table], *args: object) -> pa.Table:
        if "epoch" in pieces[0].column_names:
            held.append(len({run for piece in pieces for run in piece["run_id"].to_pylist()}))
        return in_order(pieces, *args)

    monkeypatch.setattr(collected_rows, "in_order", counted)
    pack = sorted(store.packs.iterdir())[3]
    pack.rename(tmp_path / "away")
    collect(store, ("metrics",))
    (tmp_path / "away").rename(pack)
    collect(store, ("metrics",))
    assert everything(store)["metrics"].equals(whole["metrics"])
    assert 1 < max(held) <= 4


def test_a_sweep_that_grows_while_it_is_collected_is_collected_whole(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that knew the sweep of before removed the files of what it has since, which another had written."""
    store = trained(make_store)
    collect(store)
    whole = everything(store)
    runs = pq.read_table(store.runs).to_pylist()
    write_table(store.runs, [{**run, "planned": run["regularizer"] != "l2"} for run in runs], RUNS)
    of = Packs.of

    def grown(at: Store) -> Packs:
        monkeypatch.undo()
        found = of(at)
        planned = collect_module._readable(at)
        monkeypatch.setattr(collect_module, "_readable", lambda _: (monkeypatch.undo(), planned)[1])
        write_table(at.runs, runs, RUNS)
        return found

    monkeypatch.setattr(Packs, "of", grown)
    collect(store)
    assert {name for name, table in everything(store).items() if not table.equals(whole[name])} == set()
