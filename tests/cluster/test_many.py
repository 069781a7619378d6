"""What ten thousand runs ask of Slurm. Their seconds are measured in `tests/benchmarks/bench_submit.py`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from jobs.store.journal import read_journal
from tests.cluster.slurm import TestCluster
from tests.cluster.test_submission import COUNTER, Desk

SWEEP = """\
name: held
dataset: digits
model: lenet5
training: {epochs: 20, batch_size: 128}
regularizers:
  l2: {strength: {logspace: [1e-6, 1e-2, 100]}}
seeds: 100
"""
HELD = "{kind: slurm, partition: main, time: 60, memory: 1500M, sbatch: {hold: true}}\n"


def test_ten_thousand_runs_are_two_sbatch_and_a_status_one_squeue_and_one_sacct(
    slurm: TestCluster, tmp_path: Path
) -> None:
    (tmp_path / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
    (tmp_path / "held.yaml").write_text(HELD, encoding="utf-8")
    desk = Desk(tmp_path)
    for name in ("sbatch", "squeue", "sacct"):
        desk.wrap(name, COUNTER)
    desk.run("submit")
    (array,) = read_journal(desk.store.journal).arrays
    assert len({run for index in range(array.jobs) for run in array.runs(index)}) == 10_000
    assert calls(desk)["sbatch"] == 2  # the array, and the job that follows it

    slurm.run("scancel", f"{array.job_id}_0")  # which only the accounting knows of then
    before = calls(desk)
    assert "10,000 runs" in desk.run("status")
    assert calls(desk) - before == {"squeue": 1, "sacct": 1}


def calls(desk: Desk) -> Counter[str]:
    return Counter((desk.folder / "calls").read_text(encoding="utf-8").split())
