from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.tables.pack_files import DamagedFileError, read
from regularize.errors import UserError


def test_a_flipped_bit_is_noticed_where_pages_have_checksums(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"x": [0.1 * i for i in range(1000)]}), path, write_page_checksum=True)
    assert len(read(path)) == 1000
    data = bytearray(path.read_bytes())
    data[2000] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match=r"table\.parquet is damaged"):
        read(path)


def test_what_the_file_system_withholds_is_not_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    path.symlink_to(path)
    with pytest.raises(UserError, match=r"cannot be read: Too many levels"):
        read(path)


def test_a_missing_file_is_neither(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "table.parquet")
