"""Lists under `training` and of a model's settings make separate problems; widths can be tuned, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.planning.open_questions import open_questions
from jobs.sweep.run_grid import Cell, candidates_of, every_run, report_count, runs_table, tune_runs
from jobs.sweep.sweep_file import Sweep, load_sweep
from regularize.errors import UserError

TEXT = """\
name: small
dataset: digits
model: mlp
training: {epochs: 2, lr: [0.01, 0.05], batch_size: [16, 32]}
regularizers: {none: , l2: {strength: [1e-3, 1e-2]}}
seeds: {tune: 2, report: 3}
"""
ONE = TEXT.replace("lr: [0.01, 0.05], batch_size: [16, 32]", "lr: 0.05")
MODELS = """\
{lenet5: , mlp: {hidden: [[256, 128], [64, 32, 16]], activation: tanh, std: 0.01, width: [1, 2]}}"""


def load(text: str, tmp_path: Path, *overrides: str) -> Sweep:
    path = tmp_path / "sweep.yaml"
    path.write_text(text, encoding="utf-8")
    return load_sweep(path, overrides)


def test_every_combination_of_what_is_listed_is_a_problem(tmp_path: Path) -> None:
    sweep = load(TEXT, tmp_path)
    cells = candidates_of(sweep)
    labels = [f"mlp lr={lr} batch_size={size}" for lr in ("0.01", "0.05") for size in (16, 32)]
    assert list(cells) == [Cell("digits", None, each, name) for each in labels for name in ("none", "l2")]
    for cell, candidates in cells.items():
        for config, strength in candidates:
            assert f"lr={config.training.lr:g} batch_size={config.training.batch_size}" in cell.model
            assert config.model == "mlp"
            assert "lr" not in strength
    assert report_count(sweep) == 4 * 2 * 3
    runs = tune_runs(sweep)
    assert len({run.config.run_id for run in runs}) == len(runs) == 4 * 3 * 2
    assert set(runs_table(runs)["model"].to_pylist()) == set(labels)


def test_a_list_of_one_value_and_a_larger_one_keep_the_runs(tmp_path: Path) -> None:
    one, listed = load(ONE, tmp_path), load(ONE, tmp_path, "training.lr=[0.05]")
    assert candidates_of(one) == candidates_of(listed)
    more = load(ONE, tmp_path, "training.lr={linspace: [0.05, 0.1, 2]}")
    assert {run.run_id for run in every_run(one)} < {run.run_id for run in every_run(more)}


def test_a_data_set_lists_settings_of_its_own(tmp_path: Path) -> None:
    sets = "dataset={digits: , clusters: {training: {lr: [0.1, 0.2]}}}"
    found = {(cell.dataset, cell.model) for cell in candidates_of(load(ONE, tmp_path, sets))}
    assert found == {("digits", "mlp"), ("clusters", "mlp lr=0.1"), ("clusters", "mlp lr=0.2")}


def test_a_model_has_settings_of_which_lists_make_several(tmp_path: Path) -> None:
    models = load(ONE, tmp_path, f"model={MODELS}").models
    assert models == (
        "lenet5",
        "mlp activation=tanh std=0.01",
        "mlp activation=tanh std=0.01 width=2",
        "mlp hidden=64-32-16 activation=tanh std=0.01",
        "mlp hidden=64-32-16 activation=tanh std=0.01 width=2",
    )
    again = load(ONE, tmp_path, "model={mlp: {hidden: [256, 128], activation: relu, width: 1.0}}")
    assert again.models == ("mlp",), "to say what is so anyway makes no difference"


def test_a_width_is_chosen_for_every_entry(tmp_path: Path) -> None:
    sweep = load(ONE, tmp_path, "tune={width: [0.5, 1, 2]}")
    cells = candidates_of(sweep)
    assert {cell.model for cell in cells} == {"mlp"}
    none = cells[Cell("digits", None, "mlp", "none")]
    assert [each.strength for each in none] == ["width=0.5", "width=1", "width=2"]
    assert [each.config.model for each in none] == ["mlp width=0.5", "mlp", "mlp width=2"]
    assert len(cells[Cell("digits", None, "mlp", "l2")]) == 6
    drawn = load(ONE, tmp_path, "tune={width: {loguniform: [0.5, 4]}}", "budget=4")
    widths = [
        each.config.setting("width") for each in candidates_of(drawn)[Cell("digits", None, "mlp", "none")]
    ]
    assert len(set(widths)) == 4
    assert all(0.5 <= width <= 4 for width in widths)


def test_a_rate_of_an_entry_s_own_is_told(tmp_path: Path) -> None:
    sweep = load(ONE, tmp_path, "regularizers.none={lr: 0.001}")
    cells = candidates_of(sweep)
    rates = {cell.regularizer: {each.config.training.lr for each in found} for cell, found in cells.items()}
    assert rates == {"none": {0.001}, "l2": {0.05}}
    assert "none trains at a learning rate of its own, 0.001" in " ".join(open_questions(sweep, {}))
    assert load(ONE, tmp_path, "regularizers.none={lr: 0.05}").datasets[0].entries[0].own == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.lr=[0.1, 0.1]", "lr lists 0.1 twice"),
        ("training.lr=[1, 1.0]", "lr lists 1.0 twice"),
        ("training.lr=[0.1, -1]", "lr is -1.0, but must be above 0"),
        ("training.lr=[]", "lr is [], but must be at least one value"),
        ("training.start=[default, orthogonal]", "start is ['default', 'orthogonal'], but must be text"),
        ("tune={lr: [0.1]}", "lr is tuned here and given in"),
        ("tune={width: 0}", "width is 0.0, but must be from 0.01 to 100"),
        ("model={}", "model is {}, but must be at least one model"),
        ("model={mlp: {depth: 3}}", "unknown key 'depth'; one of: activation, hidden, std, width"),
        ("model={mlp: {hidden: [0]}}", "hidden is 0, but must be from 1 to 100000 units"),
        ("model={mlp: {hidden: 1.5}}", "hidden is 1.5, but must be an integer"),
        ("model={mlp: {activation: gelu}}", "activation is 'gelu', but must be one of: relu, tanh"),
        ("model={lenet5: {hidden: 3}}", "hidden is no setting of model lenet5: it has width"),
        ("model={my:net: {width: 2}}", "unknown key 'width'"),
        (
            "model={mlp: {hidden: [[20], [40]], width: [1, 2]}}",
            "model mlp hidden=40 is the same network as mlp hidden=20 width=2 (in --set",
        ),
        ("model='mlp hidden=256-128'", "model 'mlp hidden=256-128' must be written 'mlp'"),
        ("model='mlp hidden=a'", "model 'mlp hidden=a': hidden is 'a'"),
        ("regularizers.none={lr: 0}", "lr is 0, but must be above 0"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, change: str, message: str) -> None:
    text = ONE if change.startswith(("tune={lr", "reg")) else ONE.replace(", lr: 0.05", "")
    with pytest.raises(UserError) as error:
        load(text, tmp_path, change)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("tune={width: [1, 2]}", "model=toy_rnn"), "width is no setting of model toy_rnn: it has none"),
        (("tune={width: [1, 2]}", "model={mlp: {width: 2}}"), "width is tuned here and given with model mlp"),
        (
            ("training.lr=[0.1, 0.2]", "regularizers.none={lr: 0.3}"),
            "lr is given here, and several for",
        ),
    ],
)
def test_what_goes_not_together_is_told(tmp_path: Path, changes: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError) as error:
        load(ONE, tmp_path, *changes)
    assert message in str(error.value)
