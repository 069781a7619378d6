"""Cancel and retry by keys of the interface, with jobs that a real Slurm holds."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual.pilot import Pilot

from jobs.store.journal import read_journal
from jobs.watch.app import WatchApp
from jobs.watch.source_process import Apart
from jobs.watch.watch_command import local_source
from tests.cluster.slurm import TestCluster
from tests.cluster.trial import Trial
from tests.jobs.watch.app import text, until, watching

SWEEP = """\
name: watched
dataset: digits
model: mlp
training: {steps: 5000000, batch_size: 16}  # so long that each run gets a job; none begins
regularizers:
  none:
  l2: {strength: 1e-4}
seeds: 2
"""
PATIENCE = 120.0  # seconds


def queued(slurm: TestCluster) -> int:
    """Elements of arrays in the queue."""
    return sum("_" in job for job in slurm.run("squeue", "--noheader", "--array", "--format=%i").split())


async def come_to(app: WatchApp, pilot: Pilot[None], none: str, l2: str) -> None:
    """Look again and again until all runs of the two are in these states."""

    def looked() -> bool:
        app.action_look()
        runs = app.picture.runs if app.picture else ()
        return {(run.regularizer, run.state) for run in runs} == {("none", none), ("l2", l2)}

    await until(pilot, looked, PATIENCE)


def test_x_takes_the_selection_out_of_the_queue_and_r_brings_it_back(
    slurm: TestCluster, tmp_path: Path, data_root: Path
) -> None:
    trial = Trial(tmp_path, data_root, SWEEP, pack_runs=1, sbatch={"begin": "now+1hour"})
    assert trial.submit().code == 0
    assert queued(slurm) == 4

    async def run() -> None:
        source = Apart(local_source(trial.store))
        async with watching(source, (120, 40), notifications=True) as (app, pilot):
            await come_to(app, pilot, none="queued", l2="queued")
            # Slurm has a reason when its scheduler has looked at the jobs, a while after they were taken.
            await until(pilot, lambda: "BeginTime" in text(app), PATIENCE)
            await pilot.press("enter", "enter", "j", "enter")
            await until(pilot, lambda: "PENDING, BeginTime" in text(app), PATIENCE)
            assert "expected start" in text(app)
            assert "attempts" in text(app)
            await pilot.press("escape", "escape", "j", "x", "n")
            assert queued(slurm) == 4
            await pilot.press("x", "y")
            await until(pilot, lambda: "2 runs of 2 jobs cancelled" in text(app), PATIENCE)
            await come_to(app, pilot, none="planned", l2="queued")
            assert app.picture is not None
            assert {run.note for run in app.picture.of_cell("none", "digits")} == {"cancelled"}
            assert (queued(slurm), len(read_journal(trial.store.journal).cancelled)) == (2, 2)

            await pilot.press("R", "y")
            await until(pilot, lambda: "in Slurm's queue: job" in text(app), PATIENCE)
            await come_to(app, pilot, none="queued", l2="queued")
            assert (queued(slurm), read_journal(trial.store.journal).cancelled) == (4, frozenset())

    asyncio.run(run())
    assert trial.states() == {"queued": 4}
