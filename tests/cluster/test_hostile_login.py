"""A login node that is another's, behind a real sshd: what it answers to any command is text, or nothing."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Sequence
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
    """All that there is of the laptop's, but for the calls of ssh and what libraries keep for themselves."""
    found = laptop.folder.parent.rglob("*")
    return {path for path in found if path.name != "calls" and not {"__pycache__", ".cache"} & {*path.parts}}


def said_by(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Text, whatever it was, in bounded memory and time."""
    with bounded(500, 90):
        assert main(words) in (0, 1, 2), words
    said = "".join(capsys.readouterr())
    assert not RAW.search(COLOUR.sub("", said)), words
    assert "Traceback" not in said, words


def test_no_command_does_what_it_says(laptop: Laptop, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command that the command line has for clusters: a new one is among them."""
    hostile_home(home, ANSWERS["text"], sys.executable)
    before = files(laptop)
    for words in far_words("sweep.yaml", FAR[1]):
        said_by(words, capsys)
    assert not {path for path in files(laptop) - before if path.is_file()}


WATCHING = (["watch", "--once"], ["watch", "--answer", "log", "a1"])


def readers(name: str) -> Sequence[list[str]]:
    """What an answer is for: files, a picture and a part of a log, or anything."""
    if "file" in name:
        return (["sync"],)
    return WATCHING if name in ("deep", "many", "much") else (["status"], ["sync"])


def test_only_files_of_a_sweep_come_home_and_nothing_else_comes_of_any_answer(
    laptop: Laptop, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(laptop)
    store = sweep_folder(laptop.folder / "results", "far-away")
    ours = {store.sweep, store.journal, store.logs / "13_0_log.out"}
    ours |= {store.pack("a1").status, store.pack("a1").error}
    for name, answer in ANSWERS.items():
        shutil.rmtree(store.folder, ignore_errors=True)
        hostile_home(home, answer, sys.executable)
        for command, *more in readers(name) if name != "text" else ():
            said_by([command, "sweep.yaml", *FAR, *more], capsys)
        new = {path for path in files(laptop) - before if path.is_file()}
        partial = {path for path in new if path.suffix == ".partial"}
        assert new - partial <= {*ours, store.verified}, name
        assert all(path.parent == store.folder for path in partial), name
        assert "files" not in name or ours <= new, name
        if name == "files, then a page":
            for words in (["status"], ["logs"], ["collect"], ["report"]):
                said_by([*words, str(store.folder)], capsys)
    assert not list(laptop.folder.parent.rglob("pwned"))
