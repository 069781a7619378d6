from __future__ import annotations

from pathlib import Path

import pytest

from jobs.store.sweep_folder import sweep_folder
from regularize.errors import UserError


def test_each_name_has_its_folder_on_a_disk_that_tells_them_apart(tmp_path: Path) -> None:
    (tmp_path / "c1").mkdir()
    for name in ("c1", "C1", "other"):
        assert sweep_folder(tmp_path, name).folder == tmp_path / name
    assert sweep_folder(tmp_path / "none", "c1").folder == tmp_path / "none" / "c1"


def test_a_disk_that_ignores_case_does_not_give_one_sweep_the_folder_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a Mac: what is there is found by any spelling, and listed by its own."""
    (tmp_path / "c1").mkdir()

    def exists(path: Path) -> bool:
        return path.name.casefold() in {found.name.casefold() for found in path.parent.iterdir()}

    monkeypatch.setattr(Path, "exists", exists)
    assert sweep_folder(tmp_path, "c1").folder == tmp_path / "c1"
    with pytest.raises(UserError, match="has the folder c1, and its disk takes C1 for the same"):
        sweep_folder(tmp_path, "C1")
