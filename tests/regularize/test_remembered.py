"""What is found out about a machine is kept, and the first answer stays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from regularize import remembered

QUESTION = {"machine": "a", "sizes": [1, 2]}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(remembered.CACHE, str(tmp_path / "measured"))


def test_the_first_answer_stays_until_it_is_forgotten(tmp_path: Path) -> None:
    assert remembered.recall("rates", QUESTION) is None
    assert remembered.remember("rates", QUESTION, {"best": 8}) == {"best": 8}
    assert remembered.remember("rates", QUESTION, {"best": 4}) == {"best": 8}
    assert remembered.recall("rates", QUESTION) == {"best": 8}
    assert remembered.recall("forms", QUESTION) is None
    assert remembered.recall("rates", QUESTION | {"machine": "b"}) is None
    remembered.forget("rates", QUESTION)
    assert remembered.remember("rates", QUESTION, 4) == 4
    assert len(list((tmp_path / "measured").iterdir())) == 1, "and no temporary file is left"


def test_workers_that_measure_at_once_go_by_one_answer() -> None:
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda n: remembered.remember("forms", QUESTION, n), range(64)))
    assert len(set(found)) == 1


def test_a_damaged_answer_is_none_and_makes_room(tmp_path: Path) -> None:
    remembered.remember("rates", QUESTION, 8)
    (path,) = (tmp_path / "measured").iterdir()
    for content in (b"{", b"[]", b"\x00", path.read_bytes().replace(b"8", b"9")):
        path.write_bytes(content)
        assert remembered.recall("rates", QUESTION) is None
    assert remembered.remember("rates", QUESTION, 4) == 4
    assert remembered.recall("rates", QUESTION) == 4


def test_where_nothing_can_be_kept_one_goes_by_ones_own_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(remembered.CACHE, str(tmp_path / "file" / "no folder"))
    assert remembered.remember("rates", QUESTION, 8) == 8
    assert remembered.recall("rates", QUESTION) is None
    remembered.forget("rates", QUESTION)
