from __future__ import annotations

from pathlib import Path

import pytest

import regularize
from jobs import provenance
from regularize.store import Store, read_json


def test_every_submission_is_kept_with_what_it_ran(tmp_path: Path) -> None:
    store = Store(tmp_path)
    provenance.record(store, [])
    provenance.record(store, ["training.epochs=5"])
    first, second = read_json(store.provenance)["submissions"]
    assert (first["set"], second["set"]) == ([], ["training.epochs=5"])
    assert first["package"] == regularize.__version__
    assert all(first["libraries"].values())
    assert first["cores"] >= 1


@pytest.mark.parametrize("text", ["{", "[]", '{"submissions": 1}'])
def test_a_damaged_record_is_begun_anew(tmp_path: Path, text: str) -> None:
    store = Store(tmp_path)
    store.provenance.write_text(text, encoding="utf-8")
    provenance.record(store, [])
    assert len(read_json(store.provenance)["submissions"]) == 1
