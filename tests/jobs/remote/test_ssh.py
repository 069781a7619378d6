from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobs.remote import ssh
from jobs.remote.remote_shell import HELLO
from jobs.remote.ssh import Ssh, options
from regularize.errors import UserError


def test_without_a_master_of_the_users_ours_is_opened_in_a_private_folder() -> None:
    words = options({"controlmaster": "false", "serveraliveinterval": "0"}, Path("/tmp/x"))
    assert words == (
        *("-o", "ControlPath=/tmp/x/%C", "-o", "ControlMaster=auto", "-o", "ControlPersist=10m"),
        *("-o", "ServerAliveInterval=15"),
    )
    folder = ssh.control_folder()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(f"{folder}/{'0' * 40}.{'x' * 16}") < 104


def test_the_users_own_master_and_settings_stay() -> None:
    own = {"controlpath": "/home/me/.ssh/%C", "controlmaster": "auto", "serveraliveinterval": "60"}
    own |= {"controlpersist": "600"}
    assert options(own) == ()
    assert options(own | {"controlmaster": "no"}) == ("-o", "ControlMaster=auto")
    # One that ends with its first command would ask for each.
    assert options(own | {"controlpersist": "no"}) == ("-o", "ControlPersist=10m")


def test_a_folder_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(ssh.control_folder(tmp_path / "closed"))
    for name in ("open", "link"):
        with pytest.raises(UserError, match="not a folder of yours alone"):
            ssh.control_folder(tmp_path / name)


def test_the_error_without_a_terminal_names_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    way = Ssh("me@far", ("-o", "ControlPath=/tmp/x/%C"), prompts=False)
    assert "BatchMode=yes" in way.command
    stand_in(monkeypatch, tmp_path, "echo Permission denied >&2; exit 255")
    with pytest.raises(
        UserError, match=r"\(Permission denied\); .*: ssh -o ControlPath=/tmp/x/%C me@far true"
    ):
        way.ask(HELLO)
    with pytest.raises(UserError, match=r"^no connection to far \(Permission denied\)$"):
        Ssh("far", (), prompts=True).ask(HELLO)
    assert "BatchMode=yes" not in Ssh("far", (), prompts=True).command


def test_what_a_config_says_of_sessions_is_undone_where_it_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not elsewhere: an older ssh does not know the words."""
    stand_in(
        monkeypatch, tmp_path, "echo stdinnull yes; echo sessiontype none; echo forkafterauthentication no"
    )
    way = ssh.connect("far")
    assert way.session == ("-o", "StdinNull=no", "-o", "SessionType=default")
    assert set(way.session) <= set(way.afresh().command)
    stand_in(monkeypatch, tmp_path, "echo stdinnull no")
    assert ssh.connect("far").session == ()


def stand_in(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    (folder / "ssh").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.defpath}")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            "echo '/home/me/.ssh/config: line 3: Bad configuration option: usekeychain' >&2; "
            "echo '/home/me/.ssh/config: terminating, 1 bad configuration options' >&2; exit 255",
            "ssh knows no way to far: /home/me/.ssh/config: line 3: Bad configuration option: usekeychain; "
            "the line `IgnoreUnknown usekeychain` above it lets every ssh read it",
        ),
        ("exit 3", "ssh knows no way to far: `ssh -G -o RemoteCommand=none -- far true` ended with code 3"),
        (
            "exec sleep 60",
            "`ssh -G -o RemoteCommand=none -- far true` has not ended for 1 s: does a `Match exec` of your",
        ),
    ],
)
def test_a_config_that_cannot_be_read_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, words: str
) -> None:
    stand_in(monkeypatch, tmp_path, script)
    monkeypatch.setattr(ssh, "CONFIG_SECONDS", 1.0)
    with pytest.raises(UserError) as error:
        ssh.connect("far")
    assert str(error.value).startswith(words)
    assert "\n" not in str(error.value)


def test_a_missing_program_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with pytest.raises(UserError, match="ssh is not installed here"):
        ssh.connect("far")
