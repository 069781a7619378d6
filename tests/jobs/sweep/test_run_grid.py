"""From sweeps to runs: which, how many, in which order, and through the table and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.sweep.run_grid import Cell, PlannedRun, from_table, report_count, report_runs, runs_table, tune_runs
from jobs.sweep.sweep_file import Sweep
from regularize.config import RunConfig
from regularize.errors import UserError
from regularize.store import RUNS
from tests.jobs.sweeps import BASE, load, with_line

WIDE = """\
name: wide
dataset: {mnist: {per_class: [1, null]}, digits: null}
model: [lenet5_tanh, lenet5]
training: {epochs: 2}
regularizers:
  mix: {compose: [l2, dropout], l2: {strength: [1e-4, 1e-5]}, dropout: {p: 0.5}}
  none:
  label_smoothing: {strength: [0.1, 0.2, 0.3]}
seeds: {tune: 2, report: [9, 4, 7]}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def first_choice(sweep: Sweep) -> dict[Cell, str]:
    """The strength that stands first in the file, for every cell."""
    chosen: dict[Cell, str] = {}
    for run in tune_runs(sweep):
        chosen.setdefault(cell(run), run.config.strength)
    return chosen


def cell(run: PlannedRun) -> Cell:
    config = run.config
    return Cell(config.data.name, config.data.per_class, config.model, config.regularizer)


def test_tuning_takes_every_strength_on_every_tune_seed_in_the_order_of_the_file() -> None:
    runs = tune_runs(load(WIDE))
    assert len(runs) == 3 * 2 * (2 + 1 + 3) * 2
    assert len({run.config.run_id for run in runs}) == len(runs)
    assert {run.phase for run in runs} == {"tune"}
    assert list(dict.fromkeys((run.config.data.name, run.config.data.per_class) for run in runs)) == [
        ("mnist", 1),
        ("mnist", None),
        ("digits", None),
    ]
    assert [(r.config.model, r.config.regularizer, r.config.strength, r.config.seed) for r in runs[:8]] == [
        ("lenet5_tanh", "mix", "l2.strength=0.0001 dropout.p=0.5", 0),
        ("lenet5_tanh", "mix", "l2.strength=0.0001 dropout.p=0.5", 1),
        ("lenet5_tanh", "mix", "l2.strength=1e-05 dropout.p=0.5", 0),
        ("lenet5_tanh", "mix", "l2.strength=1e-05 dropout.p=0.5", 1),
        ("lenet5_tanh", "none", "", 0),
        ("lenet5_tanh", "none", "", 1),
        ("lenet5_tanh", "label_smoothing", "0.1", 0),
        ("lenet5_tanh", "label_smoothing", "0.1", 1),
    ]


def test_reporting_takes_the_chosen_strength_of_each_cell_on_every_report_seed() -> None:
    sweep = load(WIDE)
    chosen = first_choice(sweep)
    chosen[Cell("digits", None, "lenet5", "label_smoothing")] = "0.3"
    runs = report_runs(sweep, chosen)
    assert len(runs) == report_count(sweep) == 3 * 2 * 3 * 3
    assert {run.phase for run in runs} == {"report"}
    assert {cell(run): run.config.strength for run in runs} == chosen
    assert [run.config.seed for run in runs[:3]] == [9, 4, 7]


def test_a_cell_without_a_choice_is_not_reported() -> None:
    sweep = load(BASE)
    runs = report_runs(sweep, {Cell("digits", None, "lenet5", "none"): ""})
    assert [(run.config.regularizer, run.config.seed) for run in runs] == [
        ("none", 1000),
        ("none", 1001),
        ("none", 1002),
    ]


def test_every_repetition_reports_what_its_own_seeds_chose_on_a_seed_of_its_own() -> None:
    sweep = load(with_line(8, "seeds: {tune: 2, repetitions: 3}"))
    parts = {(run.phase, run.repetition, run.config.seed) for run in tune_runs(sweep)}
    assert parts == {
        ("tune", 0, 0),
        ("tune", 0, 1),
        ("tune", 1, 2),
        ("tune", 1, 3),
        ("tune", 2, 4),
        ("tune", 2, 5),
    }
    none = {Cell("digits", None, "lenet5", "none", repetition): "" for repetition in range(3)}
    l2 = dict(enumerate(("1e-05", "0.0001", "1e-05")))
    chosen = none | {
        Cell("digits", None, "lenet5", "l2", repetition): each for repetition, each in l2.items()
    }
    runs = [run for run in report_runs(sweep, chosen) if run.config.regularizer == "l2"]
    assert [(run.config.seed, run.config.strength) for run in runs] == [
        (1000, "1e-05"),
        (1001, "0.0001"),
        (1002, "1e-05"),
    ]
    assert runs_table(runs)["repetition"].to_pylist() == [0, 1, 2]
    once = load(BASE)
    ids = [{run.config.run_id for run in tune_runs(each)} for each in (once, sweep)]
    assert ids[0] < ids[1], "what was trained before counts"


def test_a_choice_that_the_sweep_no_longer_has_is_refused() -> None:
    with pytest.raises(UserError) as error:
        report_runs(load(BASE), {Cell("digits", None, "lenet5", "l2"): "0.5"})
    assert str(error.value) == (
        "strength '0.5' was chosen for l2 on digits, but the sweep no longer has it; choose again"
    )


def test_a_single_phase_reports_on_every_strength() -> None:
    sweep = load(with_line(8, "seeds: 2"))
    runs = report_runs(sweep)
    assert tune_runs(sweep) == []
    assert len(runs) == report_count(sweep) == 3 * 2
    assert {run.phase for run in runs} == {"report"}


def test_giving_a_sweep_phases_keeps_its_runs_as_tune_runs() -> None:
    before = {run.config.run_id for run in report_runs(load(with_line(8, "seeds: 2")))}
    assert {run.config.run_id for run in tune_runs(load(BASE))} == before


def test_more_seeds_or_strengths_only_add_runs() -> None:
    fewer = {run.config.run_id for run in tune_runs(load(WIDE))}
    more = load(WIDE, "seeds.tune=3", "regularizers.label_smoothing.strength=[0.05, 0.1, 0.2, 0.3]")
    assert fewer < {run.config.run_id for run in tune_runs(more)}


@pytest.mark.parametrize(
    "line", ["training: {{epochs: 2, momentum: {}}}", "training: {{epochs: 2, weight_decay: {}}}"]
)
def test_zero_has_no_sign(line: str) -> None:
    """Equal configurations are equal keys, in one process, too, that has made the runs of another sweep."""
    zero, minus = (tune_runs(load(with_line(4, line.format(text)))) for text in ("0.0", "-0.0"))
    alone = [json.loads(json.dumps(run.config.to_json())) for run in minus]
    assert [run.config.run_id for run in minus] == [RunConfig.from_json(each).run_id for each in alone]
    assert [repr(run.config) for run in minus] == [repr(run.config) for run in zero]
    assert "-0.0" not in repr(load(with_line(4, line.format("-0.0"))))


def test_runs_go_through_their_table_and_back() -> None:
    runs = tune_runs(load(WIDE))
    table = runs_table(runs)
    assert table.schema == RUNS
    assert from_table(table) == {run.config.run_id: run.config for run in runs}
    rows = table.to_pylist()
    assert [row["run_id"] for row in rows] == [run.config.run_id for run in runs]
    assert all(row["planned"] and row["phase"] == "tune" for row in rows)
    assert {(row["regularizer"], row["strength"], row["strength_value"]) for row in rows} == {
        ("none", "", None),
        ("mix", "l2.strength=0.0001 dropout.p=0.5", None),
        ("mix", "l2.strength=1e-05 dropout.p=0.5", None),
        ("label_smoothing", "0.1", 0.1),
        ("label_smoothing", "0.2", 0.2),
        ("label_smoothing", "0.3", 0.3),
    }
    assert [row["pack_key"] for row in rows] == [run.config.pack_key for run in runs]
    assert {row["per_class"] for row in rows} == {1, None}


def test_no_runs_are_an_empty_table() -> None:
    assert runs_table([]).schema == RUNS
