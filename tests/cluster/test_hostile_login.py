"""A login node that is another's, behind a real sshd: what it answers to any command is text, or nothing."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.commands.cli import main
from jobs.store.sweep_folder import sweep_folder
from tests.cluster.laptop import FAR, Laptop, end_masters
from tests.cluster.slurm import TestCluster
from tests.hostile.bounded import bounded
from tests.hostile.login_node import ANSWERS, hostile_home
from tests.hostile.looking import far_words
from tests.hostile.stores import RAW

COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


@pytest.fixture
def home(slurm: TestCluster, laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The startup files of the login node `test-noisy`; commands of this process are the laptop's."""
    home = slurm.folder / "noisy"
    home.mkdir()
    laptop.write_cluster(host="test-noisy")
    for key, value in laptop.environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.chdir(laptop.folder)
    yield home
    end_masters(laptop, ["test-noisy"])
    shutil.rmtree(home)


def files(laptop: Laptop) -> set[Path]:
    """All that there is of the laptop's, but for what is known of calls and connections."""
    found = laptop.folder.parent.rglob("*")
    return {path for path in found if path.name != "calls" and "__pycache__" not in path.parts}


@pytest.mark.parametrize("name", ANSWERS)
def test_no_command_does_what_it_says(
    name: str, laptop: Laptop, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command that the command line has for clusters: a new one is among them."""
    hostile_home(home, ANSWERS[name], sys.executable)
    before = files(laptop)
    for words in far_words("sweep.yaml", FAR[1]):
        with bounded(500, 90):
            assert main(words) in (0, 1, 2), words
        said = "".join(capsys.readouterr())
        assert not RAW.search(COLOUR.sub("", said)), words
        assert "Traceback" not in said, words
    new = {path for path in files(laptop) - before if path.is_file()}
    store = sweep_folder(laptop.folder / "results", "far-away")
    ours = {
        store.sweep,
        store.journal,
        store.pack("a1").status,
        store.pack("a1").error,
        store.logs / "13_0_log.out",
    }
    partial = {path for path in new if path.suffix == ".partial"}
    assert new - partial <= {*ours, store.verified}
    assert all(path.parent == store.folder for path in partial)
    assert not list(laptop.folder.parent.rglob("pwned"))
    if "files" in name:
        assert ours <= new
        for words in (
            ["status", str(store.folder)],
            ["logs", str(store.folder)],
            ["collect", str(store.folder)],
        ):
            assert main(words) in (0, 1, 2)
            said = "".join(capsys.readouterr())
            assert not RAW.search(said)
