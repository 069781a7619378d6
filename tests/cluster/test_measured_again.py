"""`evaluation:` changed after a sweep on Slurm: jobs that measure the stored weights, and train nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from jobs.store.journal import read_journal
from jobs.store.pack_status import read_packs
from tests.cluster.slurm import TestCluster
from tests.cluster.tables import table
from tests.cluster.trial import Trial

SWEEP = """\
name: small
dataset: {digits: {per_class: 20}}
model: mlp
training: {steps: 20, batch_size: 16}
evaluation: {predictions: false, jacobian_examples: 5, tune: all}
regularizers:
  none:
  l2: {strength: [1e-3, 1e-2]}
seeds: {tune: 1, report: 1}
"""
RUNS = 5
WANTED = (
    "{jacobian_examples: 40, tune: all, robustness: "
    "{noise: [0.1], fgsm: [], pgd: [0.1], pgd_steps: 2, examples: 20}}"
)


def test_evaluation_changed_is_measured_from_the_weights(
    slurm: TestCluster, tmp_path: Path, data_root: Path, python: list[str]
) -> None:
    trial = Trial(tmp_path, data_root, SWEEP, python=python)
    assert trial.submit("--wait").code == 0
    trained = table(trial.store, "results")
    weights = {path: path.read_bytes() for path in trial.store.packs.glob("*/weights.pt")}

    trial.sweep.write_text(SWEEP.replace("{predictions: false, jacobian_examples: 5, tune: all}", WANTED))
    told = json.loads(trial.regularize("plan", *trial.submit_options, "--json").out)
    assert (told["done"], told["to_do"], told["to_measure"]) == (RUNS, 0, RUNS)
    # Cancelled, they are left out until everything is asked for again.
    held = Trial(tmp_path, data_root, trial.sweep.read_text(), sbatch={"hold": True}, python=python)
    assert f"measure {RUNS} runs again" in held.submit().err
    assert f"{RUNS} runs of 1 job cancelled" in trial.regularize("cancel").out
    slurm.wait_until_idle()
    status = json.loads(trial.regularize("status", "--json").out)
    assert (status["to_measure"], status["runs"]["done"]) == (RUNS, RUNS)
    assert status["left_out"] == {"cancelled": RUNS}
    trial = Trial(tmp_path, data_root, trial.sweep.read_text(), python=python)
    assert trial.submit("--wait").code == 0

    assert trial.states() == {"done": RUNS}
    assert json.loads(trial.regularize("status", "--json").out)["to_measure"] == 0
    assert {path: path.read_bytes() for path in weights} == weights
    measured = table(trial.store, "results")
    same = ["run_id", "test_loss", "test_accuracy", "train_loss", "pack_id", "steps"]
    pd.testing.assert_frame_equal(measured[same], trained[same], check_exact=True)
    assert set(measured["jacobian_examples"]) == {40}
    assert set(table(trial.store, "robustness")["examples"]) == {20}
    assert {status.evaluation for status in read_packs(trial.store).statuses.values()} == {
        *measured["evaluation"]
    }
    last = read_journal(trial.store.journal).arrays[-1]
    assert [ending.progress for ending in last.endings.values()] == [True] * len(last.elements)
    assert "nothing to do" in trial.submit().out
