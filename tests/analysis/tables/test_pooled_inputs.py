"""Results of other code are said to be; what entries of one's own add to it is not."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow.parquet as pq
import pytest

from analysis.tables.collect import collect
from analysis.tables.pooled_inputs import pooled
from analysis.tables.store_tables import Tables
from regularize.code_identity import Code
from regularize.store import RESULTS, Store, write_bytes, write_table

LIBRARIES = {"torch": "2.14.1"}
PLAIN = Code({"trainer.py": "rate = 1\n"}, LIBRARIES)
WITH_MINE = Code({"trainer.py": "rate = 1  # a word\n", "mine.py": "rate = 3\n"}, LIBRARIES)
OTHER = Code({"trainer.py": "rate = 2\n"}, LIBRARIES)


@pytest.mark.parametrize(
    ("second", "kept", "said"),
    [(PLAIN, True, False), (WITH_MINE, True, False), (WITH_MINE, False, True), (OTHER, True, True)],
)
def test_what_is_said_of_two_codes(
    make_store: Callable[..., Store], second: Code, kept: bool, said: bool
) -> None:
    store = make_store(strengths={"none": [""], "l2": ["0.1"]}, tune=())
    for path in store.packs.glob("*/results.parquet"):
        rows = pq.read_table(path).to_pylist()
        code = PLAIN if path.parent.name.startswith(min(p.name for p in store.packs.iterdir())) else second
        write_table(path, [row | {"code": code.name} for row in rows], RESULTS)
    collect(store)
    for each in (PLAIN, second) if kept else (PLAIN,):
        write_bytes(store.code(each.name), each.to_bytes())
    text = pooled(Tables(store))
    assert ("Results of 2 codes are pooled: " in text) == said
    assert bool(text) == said
