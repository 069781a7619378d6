"""Cancel and retry by keys, of trainings on this machine."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from jobs.store.pack_status import read_packs
from jobs.watch.app import WatchApp
from jobs.watch.source_process import Apart
from jobs.watch.watch_command import local_source
from jobs.watch.widgets.heatmap import HeatMap
from regularize.store import PackStatus, Store
from tests.jobs.watch.app import text, until, watching

PROGRAM = "import sys; from jobs.commands.cli import main; sys.exit(main())"
# Three runs, which take minutes until they are let go.
SWEEP = """\
name: slow
dataset: digits
model: tests.cluster.slow_network:build
training: {steps: 400, batch_size: 16}
regularizers:
  none:
  l2: {strength: 1e-4}
  l1: {strength: 1e-4}
seeds: 1
"""
PATIENCE = 240.0  # seconds; on a busy machine a process takes one minute of them to start


@pytest.fixture
def submission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """`regularize submit` in one process for all packs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    monkeypatch.setenv("LET_GO", str(tmp_path / "let_go"))
    Path("sweep.yaml").write_text(SWEEP, encoding="utf-8")
    command = [sys.executable, "-c", PROGRAM, "submit", "sweep.yaml", "--max-tasks", "1"]
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


def states(app: WatchApp) -> dict[str, str]:
    """Of the run of each regularizer, as the interface shows them."""
    return {run.regularizer: run.state for run in app.picture.runs} if app.picture else {}


def running(app: WatchApp, *others: str) -> list[str]:
    return [name for name, state in states(app).items() if state == "running" and name not in others]


async def go_to(app: WatchApp, pilot: Pilot[None], regularizer: str) -> None:
    """Put the cursor on its row of the heat map."""
    cells = app.screen.query_one(HeatMap)
    await pilot.press("g")
    while cells.current[0] != regularizer:
        await pilot.press("j")


async def come_to(app: WatchApp, pilot: Pilot[None], true: Callable[[], bool]) -> None:
    """Look again and again until it is so."""

    def looked() -> bool:
        app.action_look()
        return true()

    await until(pilot, looked, PATIENCE)


def test_x_ends_the_packs_of_the_selection_alone_and_r_goes_on_with_it_alone(
    submission: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    store = Store(tmp_path / "results" / "slow")

    async def run() -> None:
        async with watching(Apart(local_source(store)), (120, 40), notifications=True) as (app, pilot):
            ended: list[str] = []
            for _ in range(2):  # the task goes on with its next pack
                await come_to(app, pilot, lambda: bool(running(app, *ended)))
                (name,) = running(app, *ended)
                await go_to(app, pilot, name)
                await pilot.press("x", "y")
                await until(pilot, lambda: "1 run in training here told" in text(app), PATIENCE)
                await come_to(app, pilot, lambda name=name: states(app)[name] == "interrupted")
                ended.append(name)
            again, left = ended
            await come_to(app, pilot, lambda: bool(running(app)))
            (last,) = running(app)
            before = await asyncio.to_thread(packs, store)

            await go_to(app, pilot, again)
            await pilot.press("R", "y")  # but the submission is still at work
            await until(pilot, lambda: "this sweep is being submitted by" in text(app), PATIENCE)

            (tmp_path / "let_go").touch()
            rest = {again: "interrupted", left: "interrupted"}
            await come_to(app, pilot, lambda: states(app) == {**rest, last: "done"})
            assert await asyncio.to_thread(submission.wait, PATIENCE) == 1
            heard = Path("said").read_text(encoding="utf-8")
            assert "2 runs ended by `regularize cancel`; `regularize submit` goes on with them\n" in heard
            assert "unfinished" not in heard

            await pilot.press("R", "y")
            await until(pilot, lambda: "begun on this machine" in text(app), PATIENCE)
            await come_to(app, pilot, lambda: states(app)[again] == "done")
            said = store.logs / "retry-2.log"  # the first was refused
            ending = f"done: 2 runs of 3 in {store.folder}"
            await until(pilot, lambda: ending in said.read_text(encoding="utf-8"), PATIENCE)
            after = await asyncio.to_thread(packs, store)
            assert after[again].started_at == before[again].started_at  # from its checkpoint
            assert after[again].pid != before[again].pid
            assert after[left] == before[left]  # which was not asked for

    asyncio.run(run())
