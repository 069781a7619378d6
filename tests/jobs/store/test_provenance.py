from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import regularize
from jobs.store import provenance
from regularize.store import Store, read_json

REPOSITORY = Path(__file__).parents[3]
RECORD = """
import sys
from pathlib import Path
from jobs.store import provenance
from regularize.store import Store
provenance.record(Store(Path(sys.argv[1])), [], ["4711"])
"""


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


def test_the_commit_what_differs_from_it_and_the_host_are_kept(tmp_path: Path) -> None:
    checkout, store = tmp_path / "checkout", Store(tmp_path / "store")
    for package in ("regularize", "jobs"):
        shutil.copytree(
            REPOSITORY / package, checkout / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    git = ["git", "-C", str(checkout), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "as it was"]):
        subprocess.run([*git, *words], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    with (checkout / "regularize" / "rng.py").open("a") as file:
        file.write("# tried out\n")
    command = [sys.executable, "-c", RECORD, str(store.folder)]
    subprocess.run(command, check=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(checkout)})
    (found,) = read_json(store.provenance)["submissions"]
    assert (found["git_commit"], found["slurm_jobs"]) == (commit.strip(), ["4711"])
    assert found["host"] == socket.gethostname()
    assert store.diff(found["uncommitted"]).read_text().endswith("\n+# tried out\n")
