"""What the shell of the cluster makes of words, tried with bash."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from jobs.cluster import shell_words
from jobs.cluster.cluster_config import Cluster
from jobs.remote import remote_shell
from jobs.remote.framed_answer import Frame, within

HOSTILE = [
    "a b",
    "it's",
    'say "x"',
    "a;touch pwned",
    "$(touch pwned)",
    "`touch pwned`",
    "a\nb",
    "-rf",
    "ünï ✓",
    "*",
    "#x",
    "a\\b",
    "!!",
    "a&b|c>d<e",
    "$1",
    "~",
]


def bash(script: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        ["bash", "-s"],
        input=script,
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=os.environ | environment,
    )
    assert list(folder.iterdir()) == []
    return done.stdout


@pytest.mark.parametrize("name", HOSTILE)
def test_a_path_is_literal_but_for_its_beginning_and_variables(tmp_path: Path, name: str) -> None:
    for text, expected in (
        (f"/a/{name}", f"/a/{name}"),
        (f"~/{name}", f"/home/it's me/{name}"),
        (f"$PLACE/{name}/$PLACE", f"/the $(place)/{name}/the $(place)"),
        (f"/a/${{PLACE}}{name}", f"/a/the $(place){name}"),
    ):
        script = (
            f"base={shell_words.path(text)}\nprintf %s \"$base\"\nprintf '|%s' {shell_words.path(text)}\n"
        )
        said = bash(script, tmp_path, HOME="/home/it's me", PLACE="the $(place)")
        expected = expected.replace("/the $(place)/", "the $(place)/", text.startswith("$PLACE"))
        assert said == f"{expected}|{expected}"


def test_a_variable_that_is_not_set_ends_the_script(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as error:
        bash(f'base={shell_words.path("$NOWHERE/x")}\necho "$base"\n', tmp_path)
    assert "NOWHERE: is not set" in error.value.stderr
    assert error.value.stdout == ""


def test_what_setup_prints_and_reads_is_neither_output_nor_input(tmp_path: Path) -> None:
    cluster = Cluster(kind="slurm", setup=("echo loading", "cat", "export FOUND='a module'"))
    script = remote_shell.script(cluster, ['echo "$FOUND $(cat)" >&3', "echo trouble >&2", "exit 7"])
    done = subprocess.run(
        ["sh", "-c", remote_shell.LOGIN],
        input=f"{script.framed('m', errors=True)}sent".encode(),
        capture_output=True,
    )
    assert done.stdout == b"\x1em\na module sent\n\x1em 7\n"
    assert done.stderr.endswith(b"\x1em\ntrouble\n\x1em 7\n")
    assert b"loading" in done.stderr
    assert done.returncode == 7


def test_without_code_or_python_the_exit_code_says_so(tmp_path: Path) -> None:
    cluster = Cluster(kind="slurm", base=tmp_path / "it's")
    script = remote_shell.run(cluster, "0" * 16, (), "jobs.commands.answer_request")
    for code in (remote_shell.NO_SNAPSHOT, remote_shell.NO_PYTHON):
        text = script.framed("m", errors=False).encode()
        done = subprocess.run(["sh", "-c", remote_shell.LOGIN], input=text, capture_output=True)
        assert done.returncode == code
        (tmp_path / "it's" / "snapshots" / ("0" * 16)).mkdir(parents=True, exist_ok=True)


@pytest.mark.parametrize(
    "profile",
    [
        "set -xv",
        "set -eu; set -o noclobber -o pipefail",
        "shopt -s nullglob extdebug expand_aliases; alias exit='echo no' cat='echo no'; set -- --help",
        "trap 'echo end; echo end >&2' EXIT; trap 'echo here' ERR; umask 077",
        "printf 'no end of line'; printf '\\036m' >&2",
    ],
)
def test_what_a_profile_makes_of_its_shell_changes_no_answer(tmp_path: Path, profile: str) -> None:
    (tmp_path / ".bash_profile").write_text(f"{profile}\n")
    (tmp_path / ".bash_logout").write_text("echo logout; echo logout >&2\n")
    script = remote_shell.script(Cluster(kind="slurm"), ['cat >&3; echo "trouble" >&2; false; exit 7'])
    done = subprocess.run(
        ["sh", "-c", remote_shell.LOGIN],
        input=f"{script.framed('m', errors=True)}sent".encode(),
        capture_output=True,
        env=os.environ | {"HOME": str(tmp_path)},
    )
    found: list[bytes] = []
    frame = Frame("m", found.append)
    frame.feed(done.stdout)
    assert (b"".join(found), frame.code) == (b"sent", 7)
    said = within("m", done.stderr)
    assert b"trouble\n" in said
    assert b"logout" not in said
    assert profile.startswith(("set -xv", "trap")) or said == b"trouble\n"
