"""What a store remembers of its code and data, where the files of that are damaged."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobs.store.kept_inputs import accept, accepted, keep_code, keep_data, kept_code, kept_data
from regularize.code_identity import Code
from regularize.store import Store

FACTS = {"name": "digits", "train": 5, "test": 6, "classes": 7}


def flip(path: Path, place: int) -> bytes:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    return bytes(data)


@pytest.mark.parametrize("place", [1, 60, 150])
def test_a_damaged_list_of_what_was_accepted_is_set_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: int
) -> None:
    store = Store(tmp_path)
    accept(store, "code", ["a" * 16], "b" * 16, "kept", 3)
    assert [entry.name for entry in accepted(store)] == ["a" * 16]
    harmed = flip(store.accepted, place)
    assert accepted(store) == []
    assert f"{store.accepted} is damaged" in capsys.readouterr().err
    assert store.accepted.read_bytes() == harmed, "reading changes nothing"

    accept(store, "code", ["c" * 16], "d" * 16, "kept", 1)
    assert f"{store.accepted} was damaged: it is set aside" in capsys.readouterr().err
    assert (tmp_path / "accepted.json.damaged").read_bytes() == harmed
    assert [entry.name for entry in accepted(store)] == ["c" * 16]
    assert capsys.readouterr().err == ""


def test_what_is_known_today_is_written_anew_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, code = Store(tmp_path), Code({"l2.py": "x = 1\n"}, {"torch": "2"})
    for _ in range(2):
        keep_code(store, code)
        keep_data(store, "e" * 16, FACTS)
    assert capsys.readouterr().err == ""
    for path in (store.code(code.name), store.data("e" * 16)):
        whole = path.read_bytes()
        flip(path, 45)
        assert (kept_code(store, code.name) is None) or not kept_data(store, "e" * 16)
        keep_code(store, code)
        keep_data(store, "e" * 16, FACTS)
        assert capsys.readouterr().err == f"warning: {path} was damaged: it is written anew\n"
        assert path.read_bytes() == whole


def test_code_that_is_kept_to_the_letter_is_not_worked_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, sources, libraries = Store(tmp_path), {"l2.py": "x = 1  # one\n"}, {"torch": "2"}
    keep_code(store, code := Code(sources, libraries))
    store.code(code.name).with_name(f"{code.name} (copy).zip").write_bytes(store.code(code.name).read_bytes())
    asked: list[str] = []
    monkeypatch.setattr("regularize.code_identity._bare", lambda path, text: asked.append(path) or text)
    keep_code(store, again := Code(dict(sources), dict(libraries)))
    assert (again.name, asked) == (code.name, [])

    keep_code(store, other := Code({"l2.py": "x = 2\n"}, libraries))
    assert (kept_code(store, other.name), kept_code(store, code.name)) == (other, code)
    for changed in (Code(sources, {"torch": "3"}), Code({**sources, "l1.py": ""}, libraries)):
        keep_code(store, changed)
        assert changed.name not in (code.name, other.name)
    assert asked


@pytest.mark.parametrize("name", ["0123456789abcdef", "f" * 16])
def test_a_copy_under_another_name_is_not_taken_at_its_word(tmp_path: Path, name: str) -> None:
    store, code = Store(tmp_path), Code({"l2.py": "x = 1\n"}, {"torch": "2"})
    keep_code(store, code)
    store.code(name).write_bytes(store.code(code.name).read_bytes())
    os.utime(store.code(name), (later := store.code(code.name).stat().st_mtime + 9, later))
    keep_code(store, again := Code(dict(code.sources), dict(code.libraries)))
    assert again.name == code.name
