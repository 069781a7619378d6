"""Cancel and retry by keys, of trainings on this machine."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from jobs.packs import read_packs
from jobs.watch.apart import Apart
from jobs.watch.app import WatchApp
from jobs.watch.command import local_source
from jobs.watch.widgets.heatmap import HeatMap
from regularize.store import PackStatus, Store
from tests.jobs.watch.app import text, until, watching

PROGRAM = "import sys; from jobs.cli import main; sys.exit(main())"
# Two runs, which take minutes until they are let go.
SWEEP = """\
name: slow
dataset: digits
model: tests.cluster.slow_network:build
training: {steps: 400, batch_size: 16}
regularizers:
  none:
  l2: {strength: 1e-4}
seeds: 1
"""
PATIENCE = 240.0  # seconds; on a busy machine a process takes one minute of them to start


@pytest.fixture
def submission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """`regularize submit` in a process for each pack."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    monkeypatch.setenv("LET_GO", str(tmp_path / "let_go"))
    Path("sweep.yaml").write_text(SWEEP, encoding="utf-8")
    command = [sys.executable, "-c", PROGRAM, "submit", "sweep.yaml", "--max-tasks", "2"]
    with Path("said").open("wb") as said:
        process = subprocess.Popen(
            [*command, "--data-root", "data", "--store", "results"], stdout=said, stderr=said
        )
    yield process
    (tmp_path / "let_go").touch()
    process.wait(PATIENCE)


def packs(store: Store) -> dict[str, PackStatus]:
    """By the regularizer of their runs."""
    source = local_source(store)
    of_run = {run.run_id: run.regularizer for run in source.look().runs}
    return {of_run[status.runs[0]]: status for status in read_packs(store).statuses.values()}


def states(app: WatchApp) -> dict[str, set[str]]:
    """Of the runs of each regularizer, as the interface shows them."""
    runs = app.picture.runs if app.picture else ()
    return {name: {run.state for run in runs if run.regularizer == name} for name in ("none", "l2")}


async def come_to(app: WatchApp, pilot: Pilot[None], true: Callable[[], bool]) -> None:
    """Look again and again until it is so."""

    def looked() -> bool:
        app.action_look()
        return true()

    await until(pilot, looked, PATIENCE)


def test_x_ends_the_training_of_the_selection_and_r_goes_on_with_it(
    submission: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    store = Store(tmp_path / "results" / "slow")

    async def run() -> None:
        async with watching(Apart(local_source(store)), (120, 40), notifications=True) as (app, pilot):
            await come_to(app, pilot, lambda: states(app) == {"none": {"running"}, "l2": {"running"}})
            before = await asyncio.to_thread(packs, store)
            await pilot.press("j", "x", "y")
            assert app.screen.query_one(HeatMap).current == ("none", "digits")
            await until(pilot, lambda: "1 run in training here told" in text(app), PATIENCE)
            await come_to(app, pilot, lambda: states(app) == {"none": {"interrupted"}, "l2": {"running"}})

            await pilot.press("R", "y")  # but the submission is still at work
            await until(pilot, lambda: "this sweep is being submitted by" in text(app), PATIENCE)

            (tmp_path / "let_go").touch()
            await come_to(app, pilot, lambda: states(app) == {"none": {"interrupted"}, "l2": {"done"}})
            assert await asyncio.to_thread(submission.wait, PATIENCE) == 1
            assert "ended with 1 run unfinished" in Path("said").read_text(encoding="utf-8")

            await pilot.press("R", "y")
            await until(pilot, lambda: "begun on this machine" in text(app), PATIENCE)
            await come_to(app, pilot, lambda: states(app) == {"none": {"done"}, "l2": {"done"}})
            after = await asyncio.to_thread(packs, store)
            assert after["none"].started_at == before["none"].started_at  # from its checkpoint
            assert after["none"].pid != before["none"].pid
            assert after["l2"].pid == before["l2"].pid

    asyncio.run(run())
    assert (store.logs / "retry.log").exists()
