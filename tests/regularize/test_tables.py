from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regularize.errors import UserError
from regularize.store import METRICS, DamagedFileError, Store, read_table, write_table


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A table of metrics."""
    path = tmp_path / "table.parquet"
    rows = [{"run_id": f"{i:03}", "epoch": i, "split": "test", "loss": 0.1 * i} for i in range(300)]
    write_table(path, rows, METRICS)
    return path


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def test_a_flipped_bit_is_noticed_or_harmless_wherever_it_is(path: Path) -> None:
    whole, data = read_table(path), path.read_bytes()
    bits = random.Random(15).sample(range(8 * len(data)), 1000)
    footer = range(8 * (len(data) - 600), 8 * len(data), 3)
    noticed = 0
    for bit in (*bits, *footer):
        path.write_bytes(data)
        flip(path, bit)
        try:
            assert read_table(path).equals(whole)
        except DamagedFileError:
            noticed += 1
    assert noticed > 0.9 * (len(bits) + len(footer)), "only a flip in the checksum's own name may pass"


def test_others_read_the_file_as_any_parquet(path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    assert duckdb.sql(f"select count(*), max(epoch) from '{path}'").fetchall() == [(300, 299)]
    assert pq.read_table(path).equals(read_table(path))
    assert pq.read_schema(path).metadata[b"schema_version"]


def test_rows_and_columns_are_read_as_asked(path: Path) -> None:
    import pyarrow.compute as pc

    assert read_table(path, ["epoch"]).schema.names == ["epoch"]
    assert read_table(path, ["epoch"], pc.field("run_id") == "007")["epoch"].to_pylist() == [7]


def test_a_table_of_a_version_before_has_its_pages_verified(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"x": [0.1 * i for i in range(1000)]}), path, write_page_checksum=True)
    assert len(read_table(path)) == 1000
    flip(path, 16_000)
    with pytest.raises(DamagedFileError, match=r"table\.parquet is damaged"):
        read_table(path)


def test_an_error_names_what_makes_the_file_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    remedies = {
        store.table("results"): "`regularize collect` builds it anew",
        store.table("selection"): "`regularize submit` writes it anew",
        store.runs: "`regularize submit` writes it anew",
        store.pack("p").spectra: "`regularize submit` trains its runs again",
    }
    for path, remedy in remedies.items():
        write_table(path, [], METRICS)
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(DamagedFileError, match=remedy):
            read_table(path)


def test_what_the_file_system_withholds_is_not_called_damaged(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.symlink_to(folder)
    with pytest.raises(UserError, match=r"cannot be read: Too many levels"):
        read_table(folder / "table.parquet")


def test_a_missing_file_is_neither(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "table.parquet")
