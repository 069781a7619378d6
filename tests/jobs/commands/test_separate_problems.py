"""A sweep that lists settings under `training` and of its network: nothing shows them as one problem."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

import analysis
from analysis.report.facts import what_was_run
from jobs.commands.cli import main

SWEEP = """\
name: apart
dataset: {digits: {per_class: 3}}
model: {mlp: {hidden: [[16], [12, 8]]}}
training: {steps: 6, batch_size: 10, lr: [0.01, 0.2]}
tune: {width: [0.5, 1]}
regularizers: {none: , elastic_net: {l1: [0, 1e-3], l2: 1e-3}}
seeds: {tune: 1, report: 2}
evaluation: {jacobian_examples: 0, predictions: false}
"""
PROBLEMS = [f"mlp hidden={hidden} lr={lr}" for hidden, lr in product(("12-8", "16"), ("0.01", "0.2"))]
LABELS = [f"mlp, hidden {hidden}, lr {lr}" for hidden, lr in product(("12–8", "16"), ("0.01", "0.2"))]


def test_problems_are_told_apart_from_the_plan_to_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sweep.yaml").write_text(SWEEP, encoding="utf-8")
    there = ["--data-root", str(tmp_path / "data")]
    assert main(["plan", "sweep.yaml", *there]) == 0
    planned = capsys.readouterr().out
    assert all(f"elastic_net ({problem})" in planned for problem in PROBLEMS)
    assert main(["submit", "sweep.yaml", "--max-tasks", "1", *there]) == 0
    capsys.readouterr()
    assert main(["status", "sweep.yaml", "--json"]) == 0
    cells = json.loads(capsys.readouterr().out)["cells"]
    # Of none two widths × a tune seed, of elastic_net twice as many; each with two report seeds.
    done = {cell["regularizer"]: cell["done"] for cell in cells}
    assert done == {f"{n} ({p})": runs for p in PROBLEMS for n, runs in (("none", 4), ("elastic_net", 6))}

    results = pq.read_table("results/apart/tables/results.parquet").to_pylist()
    configs = {
        run["run_id"]: json.loads(run["config"])
        for run in pq.read_table("results/apart/runs.parquet").to_pylist()
    }
    assert {row["model"] for row in results} == set(PROBLEMS)
    for row in results:
        config = configs[row["run_id"]]
        assert row["model"].endswith(f"lr={config['training']['lr']:g}")
        width = row["strength"].rpartition("width=")[2]
        assert ("width=0.5" in config["model"]) == (width == "0.5")
    sweep = analysis.open(Path("results/apart"))
    assert sorted(problem.model for problem in sweep.problems) == PROBLEMS
    compared = sweep.comparison()
    assert compared.groupby("model")["regularizer"].apply(list).to_dict() == {
        problem: ["none", "elastic_net"] for problem in PROBLEMS
    }
    for row in compared.itertuples():  # by hand: of its own runs alone
        mine = sweep.results()
        mine = mine[(mine["model"] == row.model) & (mine["regularizer"] == row.regularizer)]
        assert (row.n, row.mean) == (2, pytest.approx(100 * mine["test_accuracy"].mean()))
        assert row.strengths == (2 if row.regularizer == "none" else 4)
    assert sweep.across()["problems"].tolist() == [4, 4]

    monkeypatch.setenv("COLUMNS", "200")
    assert main(["compare", "sweep.yaml"]) == 0
    said = capsys.readouterr().out
    for label in LABELS:
        assert f"Digits, 3 per class ({label})" in said
    assert "2 settings × 1 seed for None; 4 settings × 1 seed for Elastic net" in said
    assert main(["figures", "sweep.yaml", "forest", "strength_sensitivity"]) == 0
    drawn = sorted(path.stem for path in Path("results/apart/figures").glob("*.pdf"))
    pairs = product(("12-8", "16"), ("0.01", "0.2"))
    slugs = [f"digits-3-per-class-mlp-hidden-{hidden}-lr-{lr}" for hidden, lr in pairs]
    assert drawn[:2] == ["forest-1", "forest-2"]
    assert drawn[-4:] == [f"strength_sensitivity-{slug}" for slug in slugs]
    texts = [path.read_text(encoding="utf-8") for path in Path("results/apart/figures").glob("s*.json")]
    shown = [json.loads(text)["caption"].partition("(")[2].partition(")")[0] for text in texts]
    assert sorted(shown) == sorted(LABELS)
    assert main(["export", "sweep.yaml", "--to", "csv"]) == 0
    (exported,) = Path("results/apart/exports").rglob("results.csv")
    assert set(pd.read_csv(exported)["model"]) == set(PROBLEMS)
    told = dict(what_was_run(sweep.runs, sweep.tables.place))
    assert set(told["Models"].split("; ")) == set(LABELS)
