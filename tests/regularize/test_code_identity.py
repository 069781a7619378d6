"""What counts as other code, and what does not; code and data that change in the middle of a pack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from regularize import code_identity, trainer
from regularize.code_identity import Code, code_of
from regularize.errors import UserError
from regularize.store import PackPaths
from regularize.train_pack import train_pack
from tests.regularize.cases import run

BEFORE = '"""A module."""\n\ndef double(x):\n    """Twice."""\n    return 2 * x  # quick\n'
SAME = "# Another comment.\n\n\ndef double(x):\n    return (2 *\n            x)\n"
OTHER = "def double(x):\n    return 3 * x\n"


def name(source: str, torch: str = "2.14.1") -> str:
    return Code({"a.py": source}, {"torch": torch}).name


def test_comments_docstrings_and_line_breaks_are_no_other_code() -> None:
    assert name(BEFORE) == name(SAME) != name(OTHER)
    assert name(BEFORE) != name(BEFORE, torch="2.15.0")
    field = "class Training:\n    lr: float = 0.01\n"
    assert (
        name(field) == name(f'{field}    """The learning rate."""\n') != name(field.replace("0.01", "0.02"))
    )


def test_what_is_kept_is_read_back_as_the_same_code() -> None:
    code = code_of("lenet5")
    assert Code.from_bytes(code.to_bytes()).name == code.name
    assert "regularizers/l2.py" in code.sources
    assert "store.py" not in code.sources
    with pytest.raises(ValueError, match="no code"):
        Code.from_bytes(b"PK")


def test_a_module_of_ones_own_is_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text("")
    (tmp_path / "mine" / "network.py").write_text(BEFORE)
    before = code_identity.code_of.__wrapped__("mine.network:build")
    assert "mine/network.py" in before.sources
    (tmp_path / "mine" / "network.py").write_text(OTHER)
    assert code_identity.code_of.__wrapped__("mine.network:build").name != before.name


def test_more_code_contradicts_nothing_and_other_code_does(monkeypatch: pytest.MonkeyPatch) -> None:
    base, libraries = {"a.py": BEFORE}, {"torch": "2.14.1"}
    code = Code(base, libraries)
    assert not code.contradicts(Code({**base, "mine.py": OTHER}, libraries))
    assert not code.contradicts(Code({"a.py": SAME}, libraries))
    assert code.contradicts(Code({"a.py": OTHER, "mine.py": OTHER}, libraries))
    assert code.contradicts(Code(base, {"torch": "2.15.0"}))
    kept = code.to_bytes()
    monkeypatch.setattr(code_identity, "MOST_OF_CODE", 50)
    with pytest.raises(ValueError, match="no code: more than 0 MB"):
        Code.from_bytes(kept)


@pytest.fixture
def begun(tmp_path: Path) -> PackPaths:
    """A pack that was interrupted after some steps."""
    paths = PackPaths(tmp_path / "pack")
    assert train_pack([run((), 0, steps=6)], paths, stop=_after(3)).state == "interrupted"
    return paths


def _after(steps: int) -> Callable[[], bool]:
    asked = iter(range(steps))
    return lambda: next(asked, None) is None


def test_a_pack_that_other_code_goes_on_with_names_both(
    begun: PackPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Code({"a.py": OTHER}, {})
    monkeypatch.setattr(trainer, "code_of", lambda _: other)
    assert train_pack([run((), 0, steps=6)], begun).state == "done"
    (row,) = pq.read_table(begun.results).to_pylist()
    assert row["code"] == f"{code_of('lenet5').name}+{other.name}"


def test_a_pack_does_not_go_on_with_other_data(begun: PackPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    load = trainer.load
    changed = lambda *words: replace(load(*words), content_hash="0" * 16)  # noqa: E731
    monkeypatch.setattr(trainer, "load", changed)
    with pytest.raises(UserError, match="is not what this pack was begun on"):
        train_pack([run((), 0, steps=6)], begun)
