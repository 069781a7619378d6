"""The command inside a real tmux: what its panes show."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobs.runs_file import write_runs
from regularize.store import Store, write_text
from tests.jobs.stores import write_pack
from tests.jobs.watch.test_local import planned_runs

REPOSITORY = Path(__file__).resolve().parents[3]
MAIN = "import sys; from jobs.cli import main; sys.exit(main())"
WAIT = 90.0  # seconds; it starts in one or two on a machine that has nothing else to do


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


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    if not shutil.which("tmux"):
        if os.environ.get("CI"):
            pytest.fail("no tmux, which .ci/run installs")
        pytest.skip("no tmux on this machine")
    server = Tmux(tmp_path / "tmux")
    yield server
    subprocess.run(["tmux", "-S", str(server.socket), "kill-server"], check=False, capture_output=True)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "small")
    runs = planned_runs()
    write_runs(store, runs, complete=True)
    ids = [run.config.run_id for run in runs]
    write_pack(store, ids[:3], "done")
    failed = write_pack(store, ids[3:5], "failed")
    write_text(failed.error, "Traceback (most recent call last):\nRuntimeError: it broke\n")
    return store


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 60)])
def test_a_session_from_the_heat_map_to_the_traceback_and_out(
    width: int, height: int, tmux: Tmux, store: Store
) -> None:
    command = [sys.executable, "-c", MAIN, "watch", str(store.folder), "--every", "1"]
    tmux.begin(command, width, height)
    pane = tmux.until(lambda pane: "Quit" in pane and "l2" in pane)
    lines = pane.splitlines()
    assert lines[0].startswith(" small on this machine   3 of 9 runs done")
    assert "F 3/9" in pane  # the whole sweep, by what most wants to be seen in it
    assert "needs you" in pane
    assert max(len(line) for line in lines) <= width

    tmux("send-keys", "j", "Enter")
    tmux.until(lambda pane: "none on digits: 3 runs" in pane)
    tmux("send-keys", "Escape")
    tmux.until(lambda pane: "needs you" in pane)
    tmux("send-keys", "e")
    tmux.until(lambda pane: "Traceback" in pane and "RuntimeError: it broke" in pane)

    write_pack(store, planned_ids()[5:], "done")  # while it is being watched
    tmux.until(lambda pane: "7 of 9 runs done" in pane)
    tmux("send-keys", "q")
    end = time.monotonic() + WAIT
    while time.monotonic() < end and tmux_lives(tmux):
        time.sleep(0.2)
    assert not tmux_lives(tmux)


def planned_ids() -> list[str]:
    return [run.config.run_id for run in planned_runs()]


def tmux_lives(tmux: Tmux) -> bool:
    """The server ends with its last session, and that with the command."""
    done = subprocess.run(["tmux", "-S", str(tmux.socket), "ls"], check=False, capture_output=True)
    return done.returncode == 0
