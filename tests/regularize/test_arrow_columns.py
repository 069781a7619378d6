from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from regularize.arrow_columns import table_of

SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("whole", pa.int64()),
        ("number", pa.float64()),
        ("so", pa.bool_()),
        ("many", pa.list_(pa.float32())),
    ]
)
ROWS: list[dict[str, Any]] = [
    {"text": "a", "whole": 2**62, "number": 1, "so": True, "many": [0.5]},
    {"text": "", "whole": -1, "number": math.nan, "so": False, "many": []},
    {"text": "λ ≤ ½\x00", "number": math.inf, "beside": "what no column asks for"},
    {},
]


@pytest.mark.parametrize("rows", [[], ROWS[:1], ROWS, ROWS * 9, [{}] * 8], ids=len)
def test_a_table_is_as_arrow_makes_it(rows: list[dict[str, Any]]) -> None:
    found = table_of(rows, SCHEMA)
    found.validate(full=True)
    assert found.schema == SCHEMA
    assert str(found.to_pylist()) == str(pa.Table.from_pylist(rows, schema=SCHEMA).to_pylist())


@pytest.mark.parametrize(
    "row",
    [
        {"whole": True},
        {"number": 2**53 + 1},
        {"number": 1 + 2j},
        {"number": True},
        {"whole": 1.5},
        {"whole": "1"},
        {"whole": 2**63},
        {"number": "1"},
        {"text": 1},
        {"so": 1},
    ],
    ids=str,
)
def test_a_value_of_another_type_is_an_error(row: dict[str, Any]) -> None:
    with pytest.raises((TypeError, OverflowError)):
        table_of([row], SCHEMA)


def test_writing_a_table_does_not_import_pandas(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from regularize.store import METRICS, RESULTS, RUNS, read_table, write_table\n"
        "for schema in (METRICS, RESULTS, RUNS):\n"
        f"    path = Path({str(tmp_path)!r}) / 'table.parquet'\n"
        "    write_table(path, [{'run_id': 'a'}], schema)\n"
        "    assert read_table(path).num_rows == 1\n"
        "assert 'pandas' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
