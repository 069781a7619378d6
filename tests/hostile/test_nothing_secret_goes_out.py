"""What people publish says nothing of their machine, and records of code hold this package's code alone."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.export import FORMATS
from analysis.notation.published_text import published, with_places
from jobs.commands.cli import main
from regularize.store import Store, write_json
from tests.hostile.stores import change_statuses, store_in

USER, HOST = "alice-whose-name-is-hers", "node-17-of-a-secret-place"
REPOSITORY = Path(__file__).parents[2]
PROGRAM = "import sys; from jobs.commands.cli import main; sys.exit(main())"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Of a user with a home, trained at a host."""
    store = store_in(tmp_path / "home" / USER / "results" / "study")
    command = ["regularize", "submit", f"/home/{USER}/study.yaml", f"--store=/home/{USER}/secret", "--set"]
    submission = {"command": [*command, f"a=/data/{USER}/b"], "set": [f"a=/data/{USER}/b"], "host": HOST}
    write_json(store.provenance, {"submissions": [submission]})
    change_statuses(store, host=HOST)
    first = next(folder for folder in store.packs.iterdir())
    error = f'Traceback:\n  File "/home/{USER}/code/net.py", line 1\nOSError: /scratch/{USER}/x: full\n'
    store.pack(first.name).error.write_text(error, encoding="utf-8")
    store.pack(first.name).results.unlink()
    change_statuses(store, state="failed")
    return store


def typed(store: Store, *words: str) -> None:
    """As that user, in a process of its own: trackers look at it when they are imported."""
    home = store.folder.parents[1]
    who = {"HOME": str(home), "USER": USER, "LOGNAME": USER, "USERNAME": USER, "HOSTNAME": HOST}
    where = {"XDG_CACHE_HOME": str(home / "cache"), "PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], env=os.environ | who | where, cwd=home, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()


def told(folder: Path, known: Path) -> dict[str, list[str]]:
    """Which files, or their names, tell of the user, the home or a host."""
    secrets = [USER, HOST, str(known), str(Path.home()) + "/", str(REPOSITORY)]
    if len(socket.gethostname()) > 6:
        secrets.append(socket.gethostname())
    files = [folder] if folder.is_file() else [path for path in folder.rglob("*") if path.is_file()]
    assert files
    found = {}
    for path in files:
        content = path.read_bytes() + path.relative_to(folder).as_posix().encode()
        if names := [name for name in secrets if name.encode() in content]:
            found[path.name] = names
    return found


@pytest.mark.parametrize("name", FORMATS)
def test_no_export_tells_of_user_home_or_host(name: str, store: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    typed(store, "export", str(store.folder), "--to", name, "--out", str(out))
    assert told(out, tmp_path) == {}


def test_no_report_tells_of_user_home_or_host(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(store.folder), "--tables-only"]) == 0
    page = store.report.read_text(encoding="utf-8")
    assert told(store.report, tmp_path) == {}
    assert "study.yaml" in page
    assert "--store=secret" in page
    assert "net.py" in page
    assert main(["report", str(store.folder), "--tables-only", "--with-places"]) == 0
    assert HOST in store.report.read_text(encoding="utf-8")


@pytest.mark.parametrize(("text", "shown"), [
    ("--store=/home/alice/secret", "--store=…/secret"),
    ("'/home/alice/a b.yaml'", "'…/a b.yaml'"),
    ("~alice/x/y.npz is gone", "…/y.npz is gone"),
    ('File "/usr/lib/x.py", line 3', 'File "…/x.py", line 3'),
    ("file:///home/alice/x", "…/x"),
    ("https://example.org/a/b", "https://example.org/a/b"),
    ("train/validation/test of 1/2", "train/validation/test of 1/2"),
    ("pgd:8/255", "pgd:8/255"),
])  # fmt: skip
def test_paths_are_shortened_to_their_last_part(text: str, shown: str) -> None:
    assert published(text) == shown
    with with_places(True):
        assert published(text) == text


RECORD = """
import pathlib, sys
from jobs.code_copy.snapshot import take_importable
from jobs.store import provenance
from regularize.store import Store
provenance.record(Store(pathlib.Path(sys.argv[1])), [])
found = take_importable([]).files
print(sorted(set(found) - {name for name in found if name.partition("/")[0] in provenance.OWN_FILES}))
"""


@pytest.mark.parametrize("way", ["environment", "hook", "checkout"])
def test_nothing_of_the_repository_around_the_package_is_recorded(way: str, tmp_path: Path) -> None:
    paper, store = tmp_path / "paper", Store(tmp_path / "store")
    packages = paper if way == "checkout" else paper / ".venv" / "lib" / "site-packages"
    for package in ("regularize", "jobs", "analysis", "cluster_configs"):
        ignored = shutil.ignore_patterns("__pycache__", "*.png")
        shutil.copytree(REPOSITORY / package, packages / package, ignore=ignored)
    (paper / "settings.env").write_text("KEY=old\n", encoding="utf-8")
    git = ["git", "-C", str(paper), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "-f", "."], ["commit", "-q", "-m", "paper"]):
        subprocess.run([*git, *words], check=True)
    (paper / "settings.env").write_text("KEY=the-api-key\n", encoding="utf-8")
    with (packages / "regularize" / "rng.py").open("a") as file:
        file.write("# tried out\n")
    more = {"GIT_DIR": str(paper / ".git"), "GIT_WORK_TREE": str(paper)} if way == "hook" else {}
    done = subprocess.run(
        [sys.executable, "-c", RECORD, str(store.folder)],
        env=os.environ | {"PYTHONPATH": str(packages)} | more,
        cwd=paper,
        capture_output=True,
        text=True,
        check=True,
    )
    kept = b"".join(path.read_bytes() for path in store.folder.rglob("*") if path.is_file())
    assert b"the-api-key" not in kept
    assert (b"# tried out" in kept) == (way == "checkout")
    names = ["snapshot.json", "uncommitted.diff"] if way == "checkout" else ["snapshot.json"]
    assert done.stdout.strip() == str(names)
