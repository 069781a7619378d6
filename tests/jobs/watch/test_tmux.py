"""The command inside a real tmux: what its panes show."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.store.runs_table import write_runs
from regularize.store import Store, write_text
from tests.jobs.stores import write_pack
from tests.jobs.watch.test_store_source import planned_runs
from tests.jobs.watch.tmux import Tmux, tmux_server

MAIN = "import sys; from jobs.commands.cli import main; sys.exit(main())"


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    with tmux_server(tmp_path) as server:
        yield server


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

    tmux("send-keys", "-l", "/dropout x")  # in one write: from the slash on all keys are the search's
    tmux.until(lambda pane: "dropout x" in pane and "all runs: 0 runs of 9" in pane)
    tmux("send-keys", "-l", "\x15l2")  # Ctrl-U, and at once what takes the place
    tmux.until(lambda pane: "6 runs of 9" in pane and "Cancel?" not in pane)
    tmux("send-keys", "Escape", "Escape")
    tmux.until(lambda pane: "Traceback" in pane)

    write_pack(store, planned_ids()[5:], "done")  # while it is being watched
    tmux.until(lambda pane: "7 of 9 runs done" in pane)
    tmux("send-keys", "q")
    tmux.ends()


def test_ctrl_z_stops_it_and_fg_draws_it_again(tmux: Tmux, store: Store) -> None:
    tmux.begin(["bash", "--norc", "-i"], 80, 24)
    watch = shlex.join([sys.executable, "-c", MAIN, "watch", str(store.folder)])
    tmux("send-keys", "-l", f"PS1='shell> '; {watch}\n")
    tmux.until(lambda pane: "Quit" in pane and "needs you" in pane)
    tmux("send-keys", "C-z")
    pane = tmux.until(lambda pane: "Stopped" in pane)
    assert "needs you" not in pane  # the shell's own screen is back
    tmux("send-keys", "-l", "fg\n")
    tmux.until(lambda pane: "Quit" in pane and "needs you" in pane and "shell>" not in pane)
    tmux("send-keys", "-l", "/l2")  # and takes keys
    tmux.until(lambda pane: "6 runs of 9" in pane)
    tmux("send-keys", "C-u", "Escape", "Escape", "q")
    tmux.until(lambda pane: "shell>" in pane and "Quit" not in pane)

    tmux("send-keys", "-l", f"clear; TERM=dumb {watch}\n")  # where nothing can be drawn on
    pane = tmux.until(lambda pane: "watch --once" in pane)
    lines = pane.splitlines()
    assert "small on this machine: 3 of 9 runs done, 44% of all steps" in pane
    assert "no full screen on this terminal (TERM is dumb): this was `watch --once`" in lines
    assert "Quit" not in pane


def planned_ids() -> list[str]:
    return [run.config.run_id for run in planned_runs()]
