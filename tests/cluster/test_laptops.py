"""Laptops and login nodes as people have them: startup files that print, what stands in ~/.ssh/config."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.commands.parser import parser
from regularize.store import Store
from tests.cluster.laptop import FAR, Laptop
from tests.cluster.slurm import TestCluster

PLAN = ("plan", "sweep.yaml", *FAR, "--json")
# Each prints on both streams, without an end of the line where it can, and one never lets go of its stdout.
BEFORE = "echo 'Welcome!'; printf '{\"to_do\": 0}'; echo 'stty: not a tty' >&2; printf 'news' >&2\n"
NOISY = {
    ".bashrc": f"{BEFORE}sleep 60 &\n",
    ".bash_profile": f"{BEFORE}trap 'echo bye; echo bye >&2' EXIT\n",
    ".bash_logout": "echo logout; echo logout >&2\n",
}


@pytest.fixture
def startup(slurm: TestCluster) -> Iterator[Path]:
    """The folder of startup files of the login node `test-noisy`."""
    home = slurm.folder / "noisy"
    home.mkdir()
    write(home, NOISY)
    yield home
    shutil.rmtree(home)


def write(home: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (home / name).write_text(text, encoding="utf-8")


def configure(laptop: Laptop, lines: str) -> None:
    """Put lines at the top of the laptop's `~/.ssh/config`."""
    config = laptop.folder.parent / "config"
    config.write_text(f"{lines}\n{config.read_text()}", encoding="utf-8")


def with_json(top: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The commands that have an option `--json`."""
    for action in top._actions:
        if "--json" in action.option_strings:
            yield words
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield from with_json(command, (*words, name))


def test_what_prints_json_prints_nothing_else_whatever_startup_files_and_ssh_say(
    laptop: Laptop, startup: Path, slurm: TestCluster
) -> None:
    """And no other command is disturbed by them."""
    configure(laptop, "PermitLocalCommand yes\nLocalCommand echo local; echo local >&2\nVisualHostKey yes")
    laptop.write_cluster(host="test-noisy", base=str(laptop.there / "it's mine"))
    began = time.monotonic()
    assert "4 runs" in laptop.good("plan", "sweep.yaml", *FAR).out
    assert time.monotonic() - began < 50  # not as long as startup files hold the session open
    laptop.good("submit", "sweep.yaml", *FAR)
    slurm.wait_until_idle()
    (laptop.there / "data").mkdir(exist_ok=True)
    words = {
        ("plan",): PLAN,
        ("status",): ("status", "sweep.yaml", *FAR, "--json"),
        ("efficiency",): ("efficiency", "sweep.yaml", *FAR, "--json"),
        ("cluster", "check"): ("cluster", "check", "far.yaml", "--json"),
    }
    assert set(words) == set(with_json(parser()))
    said = {command: laptop.good(*asked) for command, asked in words.items()}
    found = {command: json.loads(done.out) for command, done in said.items()}
    assert found["plan",]["to_do"] == 0
    assert found["status",]["runs"]["done"] == 4
    assert found["cluster", "check"]["passed"]
    assert "4 of 4 runs done" in laptop.good("watch", "sweep.yaml", *FAR, "--once").out
    assert "nothing failed" in laptop.good("logs", "sweep.yaml", *FAR).out
    assert "local" not in laptop.good("sync", "sweep.yaml", *FAR).out
    home = Store(laptop.folder / "results" / "far-away")
    there = Store(laptop.there / "it's mine" / "results" / "far-away")
    assert home.runs.read_bytes() == there.runs.read_bytes()
    assert {path.name for path in home.folder.iterdir()} >= {"sweep.yaml", "journal.jsonl", "packs"}
    assert not (laptop.folder / "called-rsync").exists()


@pytest.mark.parametrize(
    "lines",
    [
        "StdinNull yes",
        "SessionType none",
        "ForkAfterAuthentication yes",
        "RemoteCommand tmux\nRequestTTY force\nEscapeChar none\nLogLevel DEBUG",
    ],
)
def test_what_an_ssh_config_says_of_sessions(laptop: Laptop, slurm: TestCluster, lines: str) -> None:
    configure(laptop, lines)
    laptop.write_cluster(sbatch={"hold": True})
    laptop.good("submit", "sweep.yaml", *FAR)
    assert len(slurm.queued()) == 2


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("UseKeychain yes", "bad configuration option: usekeychain; the line `IgnoreUnknown usekeychain`"),
        ("Port none", "Bad"),
    ],
)
def test_a_config_that_ssh_cannot_read_is_one_error(laptop: Laptop, lines: str, words: str) -> None:
    configure(laptop, lines)
    done = laptop.run(*PLAN)
    assert done.code == 2
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert done.err.startswith("error: ssh knows no way to test-login: ")
    assert words.lower() in done.err.lower()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({".bashrc": "echo 'your quota is used up'; exit 3\n"}, "(your quota is used up)"),
        (
            {".bash_profile": "echo maintenance >&2; exit 3\n", ".bash_logout": "", ".bashrc": ""},
            "(maintenance)",
        ),
    ],
)
def test_startup_files_that_end_the_session_are_named(
    laptop: Laptop, startup: Path, files: dict[str, str], words: str
) -> None:
    write(startup, files)
    laptop.write_cluster(host="test-noisy")
    done = laptop.run(*PLAN)
    assert (done.code, done.out) == (2, "")
    assert "error: test-noisy ended the session with code 3 before our first line" in done.err
    assert "~/.bashrc, ~/.bash_profile, ~/.profile" in done.err
    assert "goes on" not in done.err
    assert words in done.err or ".bash_profile" in files
