from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobs.remote import ssh
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


def test_the_error_without_a_terminal_names_the_command() -> None:
    way = Ssh("me@far", ("-o", "ControlPath=/tmp/x/%C"), prompts=False)
    assert "BatchMode=yes" in way.command
    assert "ssh -o ControlPath=/tmp/x/%C me@far true" in str(way.lost("Permission denied"))
    assert "BatchMode=yes" not in Ssh("far", (), prompts=True).command


def test_a_missing_program_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with pytest.raises(UserError, match="ssh is not installed here"):
        ssh.connect("far")
