from __future__ import annotations

from pathlib import Path

import pytest

from regularize import model_modules as room
from regularize.model_modules import model_modules


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on Python's path, another than the working folder."""
    folder = tmp_path / "my models"
    folder.mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.syspath_prepend(str(folder))
    return folder


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_a_module_comes_with_what_it_imports_and_nothing_else_beside_it(path: Path) -> None:
    imports = ("import json, torch, no_such", "from parts.blocks import Block", "import other.deep as d")
    write(path / "net.py", "\n".join(imports))
    write(path / "parts/__init__.py", "from . import blocks\n")
    write(path / "parts/blocks.py", "import net\n")
    write(path / "parts/widths.json", "[3]")
    write(path / "parts/__pycache__/blocks.cpython-311.pyc")
    write(path / "other/deep/__init__.py", "def broken(:\n")  # a namespace, and no Python
    write(path / "unrelated.py")
    found = model_modules(["net:build", "mlp"], ())
    parts = {f"parts/{name}" for name in ("__init__.py", "blocks.py", "widths.json")}
    assert found == {name: path / name for name in {"net.py", "other/deep/__init__.py"} | parts}


def test_the_working_folder_comes_last_so_that_nothing_in_it_takes_a_librarys_place(path: Path) -> None:
    for folder in (path, Path.cwd()):
        write(folder / "net.py")
    assert model_modules(["net:build"], ()) == {"net.py": path / "net.py"}
    write(Path.cwd() / "torch.py")
    assert model_modules(["torch:build"], ()) == {}


def test_what_is_installed_or_travels_anyway_or_is_not_there_stays_out(path: Path) -> None:
    write(path / "lib" / "site-packages" / "net.py")
    write(path / "regularize" / "__init__.py")
    models = ["torch.nn:Linear", "json:loads", "math:sqrt", "regularize.x:f", "none.such:f", "a.b.c:f", ":f"]
    assert model_modules(models, ["regularize"]) == {}


def test_an_installed_package_on_the_path_stays_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path / "lib" / "site-packages" / "net.py")
    monkeypatch.syspath_prepend(str(path / "lib" / "site-packages"))
    assert model_modules(["net:f"], ()) == {}


def test_a_package_with_data_is_said_to_stay_where_it_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LARGEST", 10)
    write(path / "net" / "__init__.py")
    write(path / "net" / "images.bin", "x" * 11)
    said: list[str] = []
    assert model_modules(["net:f"], (), said.append) == {}
    assert [str(path / "net") in line for line in said] == [True]
