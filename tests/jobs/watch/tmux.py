"""A real tmux, whose panes can be read."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
WAIT = 90.0  # seconds; `watch` starts in one or two on a machine that has nothing else to do


class Tmux:
    """A server of its own, on a socket in the test's folder."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket

    def __call__(self, *words: str) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TMUX")}
        environment |= {"PYTHONPATH": str(REPOSITORY), "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        command = ["tmux", "-u", "-S", str(self.socket), "-f", "/dev/null", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    def begin(self, words: list[str], width: int, height: int) -> None:
        self("new-session", "-d", "-x", str(width), "-y", str(height), shlex.join(words))

    def until(self, true: Callable[[str], bool]) -> str:
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            pane = self("capture-pane", "-p")
            if true(pane):
                return pane
            time.sleep(0.2)
        raise AssertionError(f"it did not come to that:\n{pane}")

    def lives(self) -> bool:
        """The server ends with its last session, and that with the command."""
        done = subprocess.run(["tmux", "-S", str(self.socket), "ls"], check=False, capture_output=True)
        return done.returncode == 0

    def ends(self) -> None:
        """Wait until the command has."""
        end = time.monotonic() + WAIT
        while self.lives():
            assert time.monotonic() < end, "it did not end"
            time.sleep(0.2)


@contextmanager
def tmux_server(folder: Path) -> Iterator[Tmux]:
    if not shutil.which("tmux"):
        if os.environ.get("CI"):
            pytest.fail("no tmux, which .ci/run installs")
        pytest.skip("no tmux on this machine")
    server = Tmux(folder / "tmux")
    try:
        yield server
    finally:
        subprocess.run(["tmux", "-S", str(server.socket), "kill-server"], check=False, capture_output=True)
