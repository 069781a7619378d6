"""Sweeps that choose shared settings for each technique, from the sweep's file to the comparison."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.commands.cli import main

HEAD = """\
name: fair
dataset: {digits: {per_class: 3}}
model: mlp
training: {steps: 8, batch_size: 10}
seeds: {tune: 2, report: 2}
evaluation: {jacobian_examples: 0, predictions: false}
"""
# Rates too low to learn anything by: the choice falls on the upper edge.
WIDENED = """\
tune: {lr: [0.001, 0.003]}
widen: 1
regularizers: {none: , l2: {strength: [1e-6, 1e-5]}}
"""
DRAWN = """\
tune: {lr: {loguniform: [0.01, 0.3]}}
budget: 3
regularizers: {none: , l2: {strength: {loguniform: [1e-4, 1]}}, hard_svb: {epsilon: [0.1, 1], start: default}}
"""


def submitted(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    Path("sweep.yaml").write_text(HEAD + text, encoding="utf-8")
    assert main(["submit", "sweep.yaml", "--max-tasks", "1", "--data-root", str(folder / "data")]) == 0
    return folder / "results" / "fair" / "tables"


def test_a_grid_goes_on_by_itself_and_what_it_finds_is_reported_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = submitted(WIDENED, tmp_path, monkeypatch)
    results = pq.read_table(tables / "results.parquet").to_pylist()
    report = [row for row in results if row["phase"] == "report"]
    # Nobody sees test scores before the choice.
    seen = {
        (row["phase"], row["test_accuracy"] is None, row["validation_accuracy"] is None) for row in results
    }
    assert seen == {("tune", True, False), ("report", False, False)}
    (first, *_) = [row["run_id"] for row in results if row["phase"] == "tune"]
    capsys.readouterr()
    assert main(["figures", "sweep.yaml", "--run", first, "loss_gap"]) == 1
    said = capsys.readouterr().err
    assert "on tune seeds only the validation part is measured" in said
    # Asked for later, it measures their ends again, not their curves.
    assert "`evaluation: {tune: all}` when they are trained" in said
    assert {row["strength"].rpartition(" ")[2] for row in report} == {"lr=0.009"}
    assert Counter(row["regularizer"] for row in report) == {"none": 2, "l2": 2}
    capsys.readouterr()
    assert main(["plan", "sweep.yaml", "--data-root", str(tmp_path / "data")]) == 0
    assert "nothing to do" in capsys.readouterr().out
    # The plan is lost, the tables are not.
    Path("results/fair/runs.parquet").unlink()
    capsys.readouterr()
    assert main(["plan", "sweep.yaml", "--data-root", str(tmp_path / "data")]) == 0
    assert "nothing to do" in (said := capsys.readouterr().out)
    assert "once strengths are chosen" not in said
    assert main(["submit", "sweep.yaml", "--max-tasks", "1", "--data-root", str(tmp_path / "data")]) == 0
    healed = {row["run_id"]: str(row) for row in pq.read_table(tables / "results.parquet").to_pylist()}
    assert healed == {row["run_id"]: str(row) for row in results}
    capsys.readouterr()
    assert main(["compare", "sweep.yaml"]) == 0
    said = capsys.readouterr().out
    assert "lr=0.009" in said
    assert "strength=1e-07 lr=0.009" in said  # of equals the weakest, also of two alone: nothing is inside
    # Nor does a first look at one run show what others will be judged by.
    one = ["--strength", "strength=1e-05 lr=0.003", "--data-root", str(tmp_path / "data")]
    assert main(["train", "sweep.yaml", *one, "--set", "evaluation.tune=all"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("digits mlp l2 strength=1e-05 lr=0.003 seed 0\n")
    assert "done: validation accuracy " in said
    assert "test" not in said


def test_a_budget_is_the_same_for_every_technique(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = submitted(DRAWN, tmp_path, monkeypatch)
    tried = pq.read_table(tables / "selection.parquet").to_pylist()
    assert Counter(row["regularizer"] for row in tried) == {"none": 3, "l2": 3, "hard_svb": 3}
    assert {row["n"] for row in tried} == {2}
    chosen = {row["regularizer"]: row["strength"] for row in tried if row["chosen"]}
    results = pq.read_table(tables / "results.parquet").to_pylist()
    assert {row["regularizer"]: row["strength"] for row in results if row["phase"] == "report"} == chosen
