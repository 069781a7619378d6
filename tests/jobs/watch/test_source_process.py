"""A source in a process of its own, which is lost, slow, or outlived."""

from __future__ import annotations

import asyncio
import multiprocessing as mp
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from multiprocessing import spawn
from pathlib import Path

import pytest

from jobs.store.submit_lock import alive
from jobs.watch.picture import Picture
from jobs.watch.source_process import Apart
from regularize.errors import UserError
from tests.cluster.processes import wait_for
from tests.jobs.watch.app import text, until, watching
from tests.jobs.watch.synthetic import SyntheticSource, detail, picture

KILLED = """
import os, signal
from jobs.watch.source_process import Apart
from tests.jobs.watch.test_source_process import Waiting
from pathlib import Path
source = Apart(Waiting(Path("go")))
print(source.retry([]), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def _tests_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the other process, which gets this one's path: the sources of these tests are not installed."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3]))


@dataclass
class Waiting:
    """Looks once a file is there; `retry` says which process it is in."""

    go: Path

    def look(self) -> Picture:
        while not self.go.exists():
            time.sleep(0.05)
        return picture(50)

    def retry(self, run_ids: object) -> str:
        return str(os.getpid())


class Missing:
    def look(self) -> Picture:
        raise FileNotFoundError(2, "no such table", "runs.parquet")

    def retry(self, run_ids: object) -> str:
        return str(os.getpid())


def test_answers_and_errors_come_from_another_process() -> None:
    source = Apart(SyntheticSource(picture(50)))
    run = source.look().runs[7]
    assert source.look() == picture(50)
    assert source.detail(run.run_id) == detail(run)
    assert source.log(run.run_id, 14).text == "epoch 2 of 50\n"
    assert source.cancel(["a", "b"]) == "2 runs cancelled"
    assert source.retry(["a"]) == "1 runs to try again"
    with pytest.raises(UserError, match="ssh: no route"):
        Apart(SyntheticSource(picture(50), broken="ssh: no route")).look()


def test_a_file_that_the_source_misses_is_named_and_ends_nothing() -> None:
    source, others = Apart(Missing()), set(mp.active_children())  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"FileNotFoundError: .*no such table"):
        source.look()
    (process,) = set(mp.active_children()) - others
    assert source.retry([]) == str(process.pid)


def test_a_process_that_cannot_be_started_is_said() -> None:
    program = spawn.get_executable()
    source = Apart(SyntheticSource(picture(50)))
    spawn.set_executable(shutil.which("false"))
    try:
        with pytest.raises(UserError, match="was ended"):
            source.look()
    finally:
        spawn.set_executable(program)
    assert source.look() == picture(50)


def test_what_takes_long_keeps_nothing_else_waiting(tmp_path: Path) -> None:
    source = Apart(Waiting(tmp_path / "go"))  # type: ignore[arg-type]

    async def run() -> None:
        async with watching(SyntheticSource(picture(50))) as (app, pilot):
            app.source = source
            await pilot.press("r")
            process = await asyncio.to_thread(source.retry, [])
            assert alive(int(process))
            assert app.asked is not None  # the look goes on
            (tmp_path / "go").touch()
            await until(pilot, lambda: app.asked is None)

    asyncio.run(run())


def test_a_process_that_was_killed_is_said_and_begun_anew() -> None:
    source, others = Apart(SyntheticSource(picture(50))), set(mp.active_children())

    async def run() -> None:
        async with watching(source) as (app, pilot):
            (process,) = set(mp.active_children()) - others
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            await pilot.press("r")
            await until(pilot, lambda: "STALE" in text(app))
            assert "was ended" in app.trouble
            await pilot.press("r")
            await until(pilot, lambda: not app.trouble)

    asyncio.run(run())


def test_the_process_ends_with_one_that_was_killed(tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")])
    ended = subprocess.run(
        [sys.executable, "-c", KILLED],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    wait_for("the process to end", lambda: not alive(int(ended.stdout)), 60)
