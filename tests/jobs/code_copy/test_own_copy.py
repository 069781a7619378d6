"""Copies for the jobs of this machine's Slurm, and a real Python that finds its modules with one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jobs.code_copy import own_copy
from jobs.code_copy.own_copy import copy_for_jobs, hold, lines, place
from jobs.code_copy.snapshot import Snapshot, take_importable
from jobs.code_copy.tidy import tidy
from jobs.slurm.client import Done, Slurm
from regularize.errors import NoSpaceError, UserError
from regularize.store import ORIGIN

SMALL = Snapshot({"regularize/__init__.py": b"", "net.py": b"1"}, frozenset())


def found_by_a_job(copy: Path, where: Path, *setup: str, **environment: str) -> list[str]:
    """Where the job's Python has `regularize` and `jobs` from; `python -m` is how submitit starts it."""
    program = "import os, regularize, jobs; print(regularize.__file__, jobs.__file__, os.getcwd(), sep='\\n')"
    (copy / "asked.py").write_text(program, encoding="utf-8")
    script = "\n".join(["set -eu", *setup, *lines(copy), f"exec {sys.executable} -m asked"])
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        ["bash", "-c", script], cwd=where, env=kept | environment, check=True, capture_output=True, text=True
    )
    *files, folder = done.stdout.splitlines()
    assert folder == str(where), "lines of `setup:` may name files from where one submits"
    return [str(Path(file).relative_to(copy)) for file in files]


@pytest.mark.parametrize("setup", [(), ("unset PYTHONPATH",), ("export PYTHONPATH=$OTHER:$OTHER",)])
def test_the_copy_comes_before_a_checkout_in_the_working_folder_and_on_every_path(
    tmp_path: Path, setup: tuple[str, ...]
) -> None:
    copy = copy_for_jobs(tmp_path / "the user's $(store)", (), print)
    checkout = tmp_path / "checkout"
    for package in ("regularize", "jobs"):  # importing it would fail
        (checkout / package).mkdir(parents=True)
        (checkout / package / "__init__.py").write_text("raise SystemExit('the checkout')", encoding="utf-8")
    paths = {"PYTHONPATH": str(checkout), "OTHER": str(checkout)}
    expected = ["regularize/__init__.py", "jobs/__init__.py"]
    assert found_by_a_job(copy, checkout, *setup, **paths) == expected
    # From a follow-up, which has the copy first already, nothing is added again.
    again = subprocess.run(
        ["bash", "-c", "\n".join([*lines(copy), 'echo "$PYTHONPATH"'])],
        env={"PYTHONPATH": f"{copy}:/x"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert again.stdout.strip() == f"{copy}:/x"


def test_the_copy_comes_before_editable_installs(tmp_path: Path) -> None:
    """Of both kinds: a line of a `.pth` with a folder, and a finder of setuptools."""
    checkout, copy = tmp_path / "checkout", copy_for_jobs(tmp_path / "store", (), print)
    (checkout / "regularize").mkdir(parents=True)
    (checkout / "regularize" / "__init__.py").write_text("raise SystemExit('the checkout')", encoding="utf-8")
    finder = f"import sys, importlib.util as u; sys.meta_path.append(type('F', (), {{'find_spec': staticmethod(lambda n, p=None, t=None: u.spec_from_file_location(n, {str(checkout / 'regularize' / '__init__.py')!r}) if n == 'regularize' else None)}}))\n"  # noqa: E501
    site = tmp_path / "site"
    site.mkdir()
    (site / "editable.pth").write_text(finder + f"{checkout}\n", encoding="utf-8")
    program = "import site, sys; site.addsitedir(sys.argv[1]); import regularize; print(regularize.__file__)"
    ask = "\n".join([*lines(copy), f'exec {sys.executable} -c "$PROGRAM" "$SITE"'])
    environment = {"PROGRAM": program, "SITE": str(site), "PATH": os.environ["PATH"]}
    found = subprocess.check_output(["bash", "-c", ask], env=environment, cwd=checkout, text=True).strip()
    assert Path(found) == copy / "regularize" / "__init__.py"


def test_all_of_the_packages_is_there_and_where_it_comes_from(tmp_path: Path) -> None:
    copy = copy_for_jobs(tmp_path, (), print)
    data = ("analysis/report/templates/page.css", "cluster_configs/local.yaml", "jobs/sweep/seeds.py", ORIGIN)
    assert all((copy / path).is_file() for path in data)
    assert not (copy / "tests").exists()
    assert copy_for_jobs(tmp_path, (), print) == copy


def test_code_that_is_a_copy_is_that_of_its_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = copy_for_jobs(tmp_path / "store", (), print)
    monkeypatch.setattr(own_copy, "ROOT", copy)
    monkeypatch.setenv("PYTHONPATH", f"{copy}:{copy / 'examples'}:/elsewhere")
    os.utime(copy, (0, 0))
    assert copy_for_jobs(tmp_path / "other", (), print) == copy
    assert copy.stat().st_mtime > time.time() - 60
    assert not (tmp_path / "other").exists()
    assert f"{copy}:{copy / 'examples'}" in lines(copy)[-1]
    assert "/elsewhere" not in lines(copy)[-1]


def test_a_path_that_python_cannot_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="takes no ':'"):
        copy_for_jobs(tmp_path / "a:b", (), print)
    assert not (tmp_path / "a:b").exists()


def test_a_copy_that_was_harmed_is_made_anew(tmp_path: Path) -> None:
    copy, new = place(SMALL, tmp_path)
    assert new
    (copy / "__pycache__").mkdir()
    assert place(SMALL, tmp_path) == (copy, False)
    (copy / "net.py").write_bytes(b"")
    assert place(SMALL, tmp_path) == (copy, True)
    assert (copy / "net.py").read_bytes() == b"1"
    assert [path.name for path in tmp_path.iterdir()] == [SMALL.name]


def test_many_at_once_place_one_whole_copy(tmp_path: Path) -> None:
    placed: list[Path] = []
    threads = [threading.Thread(target=lambda: placed.append(place(SMALL, tmp_path)[0])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert placed == [tmp_path / SMALL.name] * 8
    assert [path.name for path in tmp_path.iterdir()] == [SMALL.name]
    assert SMALL.is_in(placed[0])


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, _: bytes) -> int:
        raise OSError(28, "No space left on device", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(NoSpaceError):
            place(SMALL, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_new_file_of_a_package_is_copied_before_git_knows_it(tmp_path: Path) -> None:
    new = {"regularize/new.py", "regularize/fused/step.cpp"}
    for name in (*new, "notes.txt", "regularize/__pycache__/x.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert code_of(tmp_path) == new
    (tmp_path / ".gitignore").write_text("__pycache__/\n", encoding="utf-8")
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "known.py").touch()
    for words in (["init", "-q"], ["add", ".gitignore", "jobs"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    assert code_of(tmp_path) == {*new, "jobs/known.py"}


def code_of(root: Path) -> set[str]:
    return {path for path in take_importable((), root=root).files if "/" in path}


@pytest.mark.parametrize(("said", "code", "left"), [
    ("13|PENDING|Priority|N/A|N/A||rs-a-1\n", 0, {"b" * 16, "c" * 16, "mine"}),
    ("", 1, {"a" * 16, "b" * 16, "c" * 16, "mine", f".{'d' * 16}.5.partial"}),  # nobody knows: all stay
])  # fmt: skip
def test_old_copies_go_but_for_those_of_queued_jobs(
    tmp_path: Path, said: str, code: int, left: set[str]
) -> None:
    old, used, recent = (tmp_path / "snapshots" / (letter * 16) for letter in "abc")
    left_over, mine = (tmp_path / "snapshots" / name for name in (f".{'d' * 16}.5.partial", "mine"))
    for folder in (old, used, recent, left_over, mine):
        (folder / "jobs").mkdir(parents=True)
    hold(used, "rs-a-1")
    hold(old, "rs-a-2")
    for folder in (old, used, left_over, mine):
        os.utime(folder, (time.time() - 31 * 86400,) * 2)
    tidy(tmp_path, Slurm(run=lambda *_: Done(code=code, out=said, err="away"), patience=0))
    assert {path.name for path in (tmp_path / "snapshots").iterdir()} == left
    assert (tmp_path / "jobs" / used.name / "rs-a-1").exists()
    assert (tmp_path / "jobs" / old.name).exists() == (old.name in left)
