"""Limits of the cluster make arrays smaller and slices larger; the sweep is trained all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.store import submitted_settings
from jobs.store.journal import read_journal
from tests.cluster.slurm import TestCluster
from tests.cluster.trial import Trial

SWEEP = """\
name: two-phase
dataset: {digits: {per_class: 20}}
model: mlp
training: {steps: 20, batch_size: 16}
regularizers:
  none:
  l2: {strength: [1e-3, 1e-2, 3e-2]}
  dropout: {p: [0.2, 0.5]}
  input_noise: {sigma: 0.1}
seeds: {tune: 1, report: 2}
select: {metric: validation_accuracy}
"""
TUNE, REPORT = 7, 8


@pytest.fixture
def trial(tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    """One run a pack; each pack is worth an element, which otherwise takes a minute of training."""
    monkeypatch.setattr("jobs.planning.job_arrays.LEAST_SECONDS", 1e-6)
    return Trial(tmp_path, data_root, SWEEP, pack_runs=1, array_parallelism=16, memory="900M")


def elements(trial: Trial) -> list[int]:
    """How many elements each array has that was handed over."""
    return [len(handed.elements) for handed in read_journal(trial.store.journal).arrays]


def test_arrays_are_cut_at_the_largest_index(slurm: TestCluster, trial: Trial) -> None:
    slurm.set_config(MaxArraySize=5)
    assert trial.submit().code == 0
    assert elements(trial) == [5, 2]
    assert len(slurm.queued()) == 8  # with the follow-up


def test_without_arrays_and_accounting_both_phases_complete_unattended(
    slurm: TestCluster, trial: Trial
) -> None:
    none = {"AccountingStorageType": "accounting_storage/none", "AccountingStorageEnforce": None}
    slurm.set_config(MaxArraySize=0, **none)
    assert trial.submit("--max-jobs", "2").code == 0
    assert elements(trial) == [1, 1]
    slurm.wait_until_idle()
    assert trial.states() == {"done": TUNE + REPORT}
    assert {*elements(trial)} == {1}


def test_max_jobs_makes_fewer_elements_with_more_to_do(slurm: TestCluster, trial: Trial) -> None:
    assert trial.submit("--max-jobs", "3").code == 0
    assert elements(trial) == [3]
    (array,) = read_journal(trial.store.journal).arrays
    assert sum(len(list(array.runs(index))) for index in range(array.jobs)) == TUNE
    assert len(slurm.queued()) == 4  # with the follow-up
    assert submitted_settings.load(trial.store).cluster.max_jobs == 3, "the follow-up keeps to it, too"


def test_max_jobs_counts_what_earlier_submissions_have_in_the_queue(
    slurm: TestCluster, trial: Trial, tmp_path: Path, data_root: Path
) -> None:
    def grown(more: str) -> Trial:
        return Trial(tmp_path, data_root, SWEEP.replace("[0.2, 0.5]", f"[0.2, 0.5{more}]"), **options)

    go = tmp_path / "go"
    options = {"pack_runs": 1, "memory": "900M", "setup": [f"until test -e {go}; do sleep 0.2; done"]}
    assert grown("").submit("--max-jobs", "3").code == 0
    assert grown(", 0.3, 0.4").submit("--max-jobs", "4").code == 0
    assert elements(trial) == [3, 1]
    said = grown(", 0.3, 0.4, 0.6").submit("--max-jobs", "4")
    assert (said.code, elements(trial)) == (0, [3, 1])
    assert "1 run to do once fewer than 4 jobs are queued" in said.err
    assert "what comes next is submitted by itself" in said.err
    go.touch()
    slurm.wait_until_idle()
    assert trial.states() == {"done": TUNE + 3 + REPORT}


def test_under_the_tightest_limits_both_phases_complete_unattended(slurm: TestCluster, trial: Trial) -> None:
    slurm.set_config(MaxArraySize=5)
    slurm.set_max_submit_jobs(3)
    assert trial.submit().code == 0
    assert elements(trial) == [2]
    slurm.wait_until_idle()
    assert trial.states() == {"done": TUNE + REPORT}
    assert trial.store.table("selection").exists()
    assert {*elements(trial)} <= {1, 2}
