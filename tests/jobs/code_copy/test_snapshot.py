from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from jobs.code_copy.snapshot import NAME, REQUIREMENTS, Snapshot, take
from regularize.errors import UserError
from regularize.store import ORIGIN

PROJECT = '[project]\ndependencies = ["numpy>=1"]\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit."""
    root = tmp_path / "check out"
    (root / "jobs").mkdir(parents=True)
    (root / "pyproject.toml").write_text(PROJECT)
    (root / "jobs" / "it's $(x).py").write_text("1\n")
    (root / "run").write_text("#!/bin/sh\n")
    (root / "run").chmod(0o755)
    git(root, "init", "-q")
    git(root, "add", ".")
    (root / "untracked").write_text("large")
    return root


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True)


def test_tracked_files_as_they_are_now(checkout: Path) -> None:
    (checkout / "jobs" / "it's $(x).py").write_text("2\n")
    found = take(checkout)
    assert {"pyproject.toml", "run", "jobs/it's $(x).py", ORIGIN, REQUIREMENTS} <= set(found.files)
    assert "untracked" not in found.files
    assert found.files["jobs/it's $(x).py"] == b"2\n"
    assert found.files[REQUIREMENTS] == b"numpy>=1\n"
    assert found.executable == {"run"}


def test_the_name_is_that_of_contents_paths_and_modes(checkout: Path) -> None:
    first = take(checkout)
    assert NAME.fullmatch(first.name)
    assert take(checkout).name == first.name
    names = {first.name}
    (checkout / "jobs" / "it's $(x).py").write_text("2\n")
    names.add(take(checkout).name)
    (checkout / "run").chmod(0o644)
    names.add(take(checkout).name)
    (checkout / "run").unlink()
    names.add(take(checkout).name)
    assert len(names) == 4


def test_a_name_that_no_list_of_files_can_hold_is_refused(checkout: Path) -> None:
    (checkout / "a\nb").touch()
    git(checkout, "add", ".")
    with pytest.raises(UserError, match="cannot travel"):
        take(checkout)


def test_an_installed_package_is_its_own_files(checkout: Path) -> None:
    subprocess.run(["rm", "-rf", str(checkout / ".git")], check=True)
    for name in ("other", "regularize"):
        (checkout / name).mkdir()
        (checkout / name / "x.py").touch()
    found = take(checkout)
    assert {"jobs/it's $(x).py", "regularize/x.py"} <= set(found.files)
    assert "other/x.py" not in found.files


def test_folders_of_modules_travel_by_their_place(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{checkout / 'jobs'}:{checkout}:/usr/lib::{checkout / 'none'}")
    assert take(checkout).folders == ("jobs",)


def test_what_is_written_passes_its_own_check(checkout: Path, tmp_path: Path) -> None:
    found = take(checkout)
    folder = tmp_path / "written"
    found.write(folder)
    (folder / "SUMS").write_text(found.sums_text())
    check = ["sha256sum", "--check", "--quiet", "SUMS"]
    subprocess.run(check, cwd=folder, check=True)
    (folder / "run").write_text("harm")
    assert subprocess.run(check, cwd=folder, capture_output=True).returncode == 1
    assert (folder / "run").stat().st_mode & 0o100


def test_this_project_is_small_and_quick_to_take() -> None:
    found = take()
    assert isinstance(found, Snapshot)
    kernels = {"regularize/fused/stages.cpp", "regularize/fused/vectors.h"}
    assert {"jobs/commands/answer_request.py", "cluster_configs/local.yaml", *kernels} <= set(found.files)
    assert sum(map(len, found.files.values())) < 20e6
