from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.tables import collected_files, collected_rows
from analysis.tables.collect import NAMES, collect
from analysis.tables.collected_files import cell_file, schema
from analysis.tables.readable_rows import READABLE
from analysis.tables.strength_text import strength_order
from regularize import tables
from regularize.errors import UserError
from regularize.store import (
    CORRUPTIONS,
    METRICS,
    RESULTS,
    ROBUSTNESS,
    RUNS,
    SPECTRA,
    PackStatus,
    Store,
    write_table,
)

MakeStore = Callable[..., Store]


def rows(store: Store, name: str) -> list[dict[str, Any]]:
    """By a reader that knows nothing of this project."""
    found: list[dict[str, Any]] = pq.read_table(store.table(name)).to_pylist()
    return found


def files(store: Store, name: str) -> list[Path]:
    path = store.table(name)
    return sorted(path.iterdir()) if path.is_dir() else [path]


def changed_at(store: Store) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for name in NAMES for path in files(store, name)}


def packs_with(store: Store, count: int) -> list[Path]:
    return sorted(store.packs.iterdir())[:count]


@pytest.mark.parametrize("name", NAMES)
def test_tables_have_plain_readable_columns(make_store: MakeStore, name: str) -> None:
    store = make_store()
    collect(store)
    for path in files(store, name):
        found = pq.read_schema(path)
        assert found.remove_metadata().equals(schema(name))
        assert set(READABLE) <= set(found.names)
        assert not any(pa.types.is_dictionary(field.type) for field in found)
        assert b"pandas" not in found.metadata


def test_every_row_of_every_pack_is_there_once(make_store: MakeStore) -> None:
    store = make_store()
    collect(store)
    schemas = {"metrics": METRICS, "results": RESULTS}
    schemas |= {"spectra": SPECTRA, "robustness": ROBUSTNESS, "corruptions": CORRUPTIONS}
    for name, pack_schema in schemas.items():
        packed = [
            row for p in store.packs.iterdir() for row in pq.read_table(p / f"{name}.parquet").to_pylist()
        ]
        collected = pq.read_table(store.table(name)).select(pack_schema.names).to_pylist()
        assert sorted(map(repr, packed)) == sorted(map(repr, collected))


def test_joined_columns_belong_to_the_run(make_store: MakeStore) -> None:
    store = make_store(per_class=100)
    collect(store)
    runs = {run["run_id"]: run for run in rows(store, "runs")}
    for row in rows(store, "metrics"):
        assert all(row[name] == runs[row["run_id"]][name] for name in READABLE)


def test_sorted_by_cell_seed_and_strength_as_a_number(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collected_rows, "_RUNS_AT_ONCE", 5)  # several batches
    store = make_store(datasets=["mnist", "cifar10"], epochs=12)
    collect(store)
    keys = [
        (
            r["dataset"],
            r["regularizer"],
            r["seed"],
            strength_order(r["strength"]),
            r["epoch"],
            r["split"],
        )
        for r in rows(store, "metrics")
    ]
    assert keys == sorted(keys)


def test_large_batches_make_large_row_groups(make_store: MakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP", 50)
    store = make_store()
    collect(store)
    file = pq.ParquetFile(cell_file(store.table("metrics"), ("mnist", None, "lenet5", "l2")))
    assert file.metadata.row_group(0).num_rows == 50
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_counts(make_store: MakeStore) -> None:
    store = make_store(diverged=[("mnist", "l2", "0.01", 1)])
    shutil.rmtree(packs_with(store, 1)[0])
    found = collect(store)
    assert found.runs == 9 * 3 + 4 * 5
    assert found.finished == len(rows(store, "results")) < found.runs
    assert found.diverged == sum(row["state"] == "diverged" for row in rows(store, "results"))


def test_second_collect_writes_nothing(make_store: MakeStore) -> None:
    store = make_store()
    first = collect(store)
    before = changed_at(store)
    second = collect(store)
    assert first.written == NAMES
    assert second.written == ()
    assert (second.runs, second.finished) == (first.runs, first.finished)
    assert before == changed_at(store)


def test_a_new_pack_is_noticed(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store()
    pack = packs_with(store, 1)[0]
    pack.rename(tmp_path / "later")
    before = collect(store)
    (tmp_path / "later").rename(pack)
    after = collect(store)
    assert after.written == NAMES[1:]
    assert after.finished > before.finished


def test_only_the_named_tables(make_store: MakeStore) -> None:
    store = make_store()
    assert collect(store, ("runs", "results")).written == ("runs", "results")
    assert not store.table("metrics").exists()


def test_equal_stores_give_equal_bytes_but_for_the_fingerprint(make_store: MakeStore) -> None:
    one, two = make_store("one"), make_store("two")
    collect(one)
    collect(two)
    for name in NAMES:
        assert pq.read_table(one.table(name)).equals(pq.read_table(two.table(name)))


def test_runs_of_an_earlier_sweep_are_left_out_and_counted(make_store: MakeStore) -> None:
    store = make_store()
    runs = pq.read_table(store.runs).to_pylist()
    gone = {run["run_id"] for run in runs if run["regularizer"] == "dropout"}
    write_table(store.runs, [r | {"planned": r["run_id"] not in gone} for r in runs], RUNS)
    found = collect(store)
    assert found.left_out == len(gone)
    assert found.runs == len(runs) - len(gone)
    for name in NAMES:
        assert not gone & {row["run_id"] for row in rows(store, name)}


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def flip(path: Path) -> None:
    """One bit, near the end, where page checksums do not reach."""
    data = bytearray(path.read_bytes())
    data[-300] ^= 4
    path.write_bytes(data)


def garbage_inside(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[30:200] = bytes(range(170))
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [truncate, flip, garbage_inside, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("name", NAMES[1:])
def test_damaged_file_is_set_aside_and_named(
    make_store: MakeStore, name: str, damage: Callable[[Path], None]
) -> None:
    store = make_store(examples=200)
    whole = collect(store)
    pack = packs_with(store, 2)[1]
    runs = set(pq.read_table(pack / "results.parquet")["run_id"].to_pylist())
    path = pack / f"{name}.parquet"
    damage(path)
    found = collect(store)
    assert found.damaged == (pack / f"{name}.parquet.damaged",)
    assert found.damaged[0].exists()
    assert not path.exists()
    for other in {*NAMES[1:]} - {name}:
        assert runs <= {row["run_id"] for row in rows(store, other)}
    assert not runs & {row["run_id"] for row in rows(store, name)}
    assert found.finished == whole.finished - len(runs) * (name == "results")
    again = collect(store)
    assert again.damaged == found.damaged, "still said while the file is missing"
    assert again.written == ()


def test_a_file_written_anew_is_no_longer_damaged(make_store: MakeStore) -> None:
    store = make_store()
    path = packs_with(store, 1)[0] / "results.parquet"
    good = path.read_bytes()
    truncate(path)
    assert collect(store).damaged
    path.write_bytes(good)
    assert not collect(store).damaged


@pytest.mark.parametrize("damage", [truncate, flip])
def test_a_damaged_collected_table_is_made_again_and_that_is_said(
    make_store: MakeStore, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    store = make_store()
    collect(store)
    path = cell_file(store.table("metrics"), ("mnist", None, "lenet5", "l2"))
    whole, before = path.read_bytes(), changed_at(store)
    damage(path)
    assert collect(store).written == ("metrics",)
    assert path.read_bytes() == whole
    assert [each for each, time in changed_at(store).items() if time != before[each]] == [path]
    assert f"{path} was damaged" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["predictions", "spectra", "weights"])
def test_what_a_finished_pack_lacks_is_named(make_store: MakeStore, name: str) -> None:
    store = make_store()
    pack = store.pack(packs_with(store, 1)[0].name)
    pack.weights.write_bytes(b"weights")
    status = PackStatus.read(pack.status)
    replace(status, files=dict(pack.kept())).write(pack.status)
    assert collect(store).gone == ()
    lost: Path = getattr(pack, name)
    lost.unlink()
    assert collect(store).gone == (lost,)


def test_a_run_in_two_packs_counts_once_and_from_one_pack(make_store: MakeStore) -> None:
    store = make_store()
    whole = collect(store)
    original = packs_with(store, 1)[0]
    copy = store.packs / "ffffffffffffffff"
    shutil.copytree(original, copy)
    changed = pq.read_table(copy / "results.parquet").to_pylist()
    write_table(copy / "results.parquet", [row | {"pack_id": copy.name} for row in changed], RESULTS)
    assert collect(store).finished == whole.finished
    assert copy.name not in {row["pack_id"] for row in rows(store, "results")}
    (original / "results.parquet").unlink()
    collect(store)
    assert copy.name in {row["pack_id"] for row in rows(store, "results")}
    assert len(rows(store, "metrics")) == len(
        {(r["run_id"], r["epoch"], r["split"]) for r in rows(store, "metrics")}
    )


def test_a_column_that_older_files_lack_is_null(make_store: MakeStore) -> None:
    store = make_store()
    path = packs_with(store, 1)[0] / "results.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["host"]), path)
    found = collect(store)
    assert not found.damaged
    assert None in {row["host"] for row in rows(store, "results")}


def test_what_an_older_version_collected_without_a_column_is_collected_again(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store()
    with monkeypatch.context() as older:
        before = pa.schema([field for field in METRICS if field.name != "examples"])
        older.setitem(collected_files.PACK_SCHEMAS, "metrics", before)
        collect(store)
    assert collect(store).written == ("metrics",)
    assert rows(store, "metrics")[0]["examples"] in (500, 1000)


def test_a_sweep_without_attacks_has_an_empty_table_of_them(make_store: MakeStore) -> None:
    store = make_store()
    for pack in store.packs.iterdir():
        (pack / "robustness.parquet").unlink()
    assert not collect(store).damaged
    assert rows(store, "robustness") == []
    assert rows(store, "spectra")


def test_no_pack_yet(make_store: MakeStore) -> None:
    store = make_store()
    shutil.rmtree(store.packs)
    assert collect(store).finished == 0
    assert rows(store, "metrics") == []


def test_nothing_planned(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no runs\.parquet"):
        collect(Store(tmp_path))


def test_damaged_runs_table_is_not_renamed(make_store: MakeStore) -> None:
    store = make_store()
    truncate(store.runs)
    with pytest.raises(UserError, match=r"runs\.parquet is damaged"):
        collect(store)
    assert store.runs.exists()


def test_two_collects_at_once_agree(make_store: MakeStore) -> None:
    store = make_store(examples=200)
    truncate(packs_with(store, 1)[0] / "results.parquet")
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(collect, [store, store])
    assert (one.finished, one.damaged) == (two.finished, two.damaged)
    assert collect(store).written == ()
