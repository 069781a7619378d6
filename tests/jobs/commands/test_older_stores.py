"""A sweep that an earlier version submitted goes on as it was meant then, with every command."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.cluster.load_config import load_cluster
from jobs.commands.cli import main
from jobs.commands.cluster_commands import _kinds
from jobs.store import submitted_settings
from jobs.store.planned_runs import read_rows
from jobs.store.submitted_settings import DIALECT, Saved
from jobs.sweep.dialects import FIRST
from jobs.sweep.sweep_file import load_sweep
from regularize.store import Store, read_json, read_table, write_json

SWEEP = """\
name: old
dataset: {digits: {per_class: 3}}
model: mlp
training: {steps: 8, batch_size: 10}
tune: {lr: {uniform: [0, 0.3]}}
budget: 3
regularizers: {none: , early_stopping: {patience: {uniform: [1.5, 9]}}}
seeds: {tune: 2, report: 2}
evaluation: {jacobian_examples: 0, predictions: false}
"""
SAID = "old was first submitted by an earlier version and goes on as it was meant then: "


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Of `sweep.yaml`, as a version submitted it that had no dialects; nothing is trained yet."""
    monkeypatch.chdir(tmp_path)
    Path("sweep.yaml").write_text(SWEEP, encoding="utf-8")
    store, before = (
        Store(tmp_path / "results" / "old"),
        load_sweep(Path("sweep.yaml"), dialect_of=lambda _: FIRST),
    )
    submitted_settings.save(store, before, Saved(cluster=load_cluster("local"), data_root=tmp_path / "data"))
    settings = read_json(store.submission)
    del settings[DIALECT]
    write_json(store.submission, settings)
    return store


def run_ids(store: Store) -> set[str]:
    return {row.run_id for row in read_rows(store)}


def test_a_cluster_is_checked_with_its_runs(store: Store) -> None:
    """Today's meaning of the file has none: no rate of 0 can be drawn."""
    auto = replace(load_cluster("local"), pack_runs=None)
    asked = Namespace(sweep=Path("sweep.yaml"), store=None, data_root=Path("data"))
    kinds, _ = _kinds(asked, auto)
    assert {kind.data.validation for kind in kinds} == {None}


def test_it_trains_nothing_twice(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--max-tasks", "1", "--data-root", str(tmp_path / "data")]
    assert main(["submit", "sweep.yaml", *options]) == 0
    assert SAID in capsys.readouterr().err
    trained = run_ids(store)
    configs = [json.loads(row["config"]) for row in read_table(store.runs).to_pylist()]
    assert {config["data"]["validation"] for config in configs} == {None}
    patience = {term["strengths"][0][1] for config in configs for term in config["terms"]}
    assert any(number % 1 for number in patience), patience
    for command in (["retry", "sweep.yaml"], ["submit", "sweep.yaml", *options]):
        assert main(command) == 0
        assert "nothing to do" in capsys.readouterr().out
        assert run_ids(store) == trained
    # One run in the foreground is one of the store's.
    first = ["--regularizer", "early_stopping", "--out", "one", "--data-root", str(tmp_path / "data")]
    assert main(["train", "sweep.yaml", *first]) == 0
    assert SAID in capsys.readouterr().err
    assert set(read_json(Path("one/status.json"))["runs"]) <= trained
    # What is added means what the rest does.
    Path("sweep.yaml").write_text(SWEEP.replace("report: 2", "report: 3"), encoding="utf-8")
    assert main(["plan", "sweep.yaml", "--json", *options]) == 0
    assert capsys.readouterr().err.count(SAID) == 1
    assert main(["submit", "sweep.yaml", *options]) == 0
    assert len(run_ids(store) - trained) == 2
    assert not trained - run_ids(store)
