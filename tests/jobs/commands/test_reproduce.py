"""The sweeps that ship with the project, and the command that runs them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import torch

from analysis.published.references import REFERENCES, ROUGH, Column, Reference
from jobs.commands.cli import main
from jobs.commands.reproduce import FOLDER, headline, names, shortened
from jobs.sweep.run_grid import report_count, tune_runs
from jobs.sweep.sweep_file import Sweep, load_sweep
from regularize.data.official import OFFICIAL
from regularize.errors import UserError
from tests.jobs.commands.test_cli import HEAVY, imported
from tests.regularize.cases import run, trained

REPOSITORY = Path(__file__).parents[3]
# Hoffman's table on the embedded digits, as fast as can be.
TINY = ["dataset={digits: {per_class: 3}}", "training.batch_size=10", "evaluation.jacobian_examples=9"]
COMMAND = ["reproduce", "hoffman2019-table", "--scale", "0.00004", "--seeds", "2"]
COMMAND += [word for setting in TINY for word in ("--set", setting)]
# Its own: what was added to the project since is in the sweep `broad`.
PART_TWO = ["none", "l1", "l2", "elastic_net", "soft_svb", "hard_svb", "jacobian", "jacobian_determinant"]
PART_TWO += ["dropout", "confidence_penalty", "label_smoothing", "input_noise", "weight_noise"]
DIGITS = Reference(source="digits", columns=(
    Column(title="accuracy", dataset="digits", per_class=3, published={"l2": (9.9, 0.1)}, status=ROUGH),
    Column(title="norm", dataset="digits", per_class=3, measure="jacobian_norm"),
))  # fmt: skip


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REGULARIZE_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("REGULARIZE_STORE", raising=False)


def published(name: str, *overrides: str) -> Sweep:
    return load_sweep(FOLDER / f"{name}.yaml", overrides)


def test_what_ships_is_what_is_documented_and_has_references() -> None:
    assert names() == ["hoffman2019-table", "part-three", "part-two", "pereyra2017-table1"]
    assert set(names()) == set(REFERENCES)
    assert all(published(name).name == name for name in names())
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]
    shipped = {path for pattern in settings["package-data"]["jobs"] for path in FOLDER.parent.glob(pattern)}
    assert set(FOLDER.iterdir()) <= shipped


def test_the_hoffman_table_is_that_of_the_paper() -> None:
    sweep = published("hoffman2019-table")
    (grid,) = sweep.datasets
    assert [size.per_class for size in grid.sizes] == [1, 3, 10, 30, None]
    assert round(60_000 * grid.sizes[0].validation) == 1000
    training = grid.training
    assert (training.steps, training.batch_size, training.lr, training.momentum) == (150_000, 100, 0.1, 0.9)
    assert (training.schedule, training.milestones, training.gamma) == ("step", (1 / 3, 2 / 3), 0.1)
    assert (sweep.models, len(sweep.report_seeds), sweep.two_phase) == (("lenet_prime",), 15, False)
    found = {
        entry.name: {term.technique: dict(term.strengths) for term in terms}
        for entry in grid.entries
        for terms in entry.candidates
    }
    l2, dropout, jacobian = {"strength": 5e-4}, {"p": 0.5}, {"strength": 0.01}
    assert found == {
        "none": {},
        "l2": {"l2": l2},
        "dropout": {"dropout": dropout},
        "jacobian": {"jacobian": jacobian},
        "all_three": {"l2": l2, "dropout": dropout, "jacobian": jacobian},
    }


def test_the_broad_benchmark_has_its_techniques_on_three_data_sets() -> None:
    sweep = published("part-two")
    assert {grid.sizes[0].name for grid in sweep.datasets} == {"mnist", "cifar10", "cifar100"}
    for grid in sweep.datasets:
        assert [entry.name for entry in grid.entries] == PART_TWO
        assert all(len(e.candidates) > 1 for e in grid.entries if e.name != "none")
    assert report_count(sweep) == 3 * len(PART_TWO) * 15


def test_every_entry_of_the_broad_benchmark_acts_from_the_first_step(tmp_path: Path) -> None:
    """In the precision that it trains in: a penalty whose gradient is lost in rounding is none."""
    grid = published("part-two").datasets[0]
    weights = {}
    for entry in grid.entries:
        (weight, *_) = trained([run(entry.candidates[-1], 0, steps=1)], tmp_path / entry.name).values()
        weights[entry.name] = weight
    plain = weights.pop("none")
    assert [name for name, weight in weights.items() if torch.equal(weight, plain)] == []


def test_attacks_that_are_compared_are_measured() -> None:
    for name in names():
        sweep = published(name)
        for column in REFERENCES[name].columns:
            assert column.dataset in OFFICIAL
            if column.attack:
                attack, size = column.attack
                assert size in getattr(sweep.evaluation.robustness, attack)


def test_a_scale_shortens_and_says_what() -> None:
    full = published("hoffman2019-table")
    assert headline("hoffman2019-table", full, full) == "hoffman2019-table in full"
    settings = ["dataset.mnist.per_class=[10, 30, null]", "training.lr=0.2"]
    short = published("hoffman2019-table", *shortened(full, 0.02, 5), *settings)
    assert short.datasets[0].training.steps == 3000
    assert short.report_seeds == (0, 1, 2, 3, 4)
    assert headline("hoffman2019-table", full, short, settings) == (
        "hoffman2019-table, shortened: 3,000 steps instead of 150,000 steps; 5 seeds instead of 15 seeds; "
        "--set 'dataset.mnist.per_class=[10, 30, null]'; --set training.lr=0.2"
    )
    faster = published("hoffman2019-table", "training.lr=0.2")
    assert headline("hoffman2019-table", full, faster, settings[1:]) == (
        "hoffman2019-table, changed: --set training.lr=0.2"
    )


def test_a_sweep_that_tunes_keeps_its_phases() -> None:
    full = published("part-three")
    short = published("part-three", *shortened(full, 0.1, 3))
    assert (short.tune_seeds, short.report_seeds) == ((0, 1, 2), (1000, 1001, 1002))
    assert set(short.report_seeds) < set(full.report_seeds), "what was trained before counts"
    assert {grid.training.epochs for grid in short.datasets} == {5}
    assert len(tune_runs(published("part-three", *shortened(full, 1, 10)))) == len(tune_runs(full))


@pytest.mark.parametrize(("scale", "seeds", "message"), [
    (0.0, None, "--scale is 0.0, but must be above 0 and at most 1"),
    (1.5, None, "--scale is 1.5, but must be above 0 and at most 1"),
    (1.0, 16, "--seeds is 16, but must be from 1 to 15"),
    (1.0, 0, "--seeds is 0, but must be from 1 to 15"),
])  # fmt: skip
def test_what_cannot_be_shortened_is_told(scale: float, seeds: int | None, message: str) -> None:
    with pytest.raises(UserError) as error:
        shortened(published("hoffman2019-table"), scale, seeds)
    assert str(error.value) == message


def test_an_unknown_name_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "hofman"]) == 2
    assert "unknown reproduction 'hofman'; one of: hoffman2019-table" in capsys.readouterr().err


def test_a_plan_says_the_cost_and_trains_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["reproduce", "part-two", "--scale", "0.1", "--plan"]) == 0
    shown = capsys.readouterr().out
    assert "part-two, shortened: 5 epochs instead of 50 epochs" in shown
    assert re.search(r"765 runs to do .*about .*; then 585 report runs", shown)
    assert not (tmp_path / "results").exists()


def test_planning_one_needs_no_torch_and_no_pandas() -> None:
    assert imported("reproduce", "part-two", "--plan").isdisjoint(HEAVY)


def test_a_reproduction_runs_to_its_table_and_not_twice(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [*COMMAND, "--max-tasks", "1", "--set", "name=beside"]
    assert main(command) == 2
    assert "the published numbers are of mnist" in capsys.readouterr().err
    assert main([*command, "--set", "dataset={mnist: {}}", "--set", "model=mlp"]) == 2
    assert "the published numbers are of model lenet_prime" in capsys.readouterr().err

    monkeypatch.setitem(REFERENCES, "hoffman2019-table", DIGITS)
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "6 steps instead of 150,000 steps; 2 seeds instead of 15 seeds; --set" in shown
    assert f"; --set '{TINY[0]}'; --set {TINY[1]}; " in shown
    assert re.search(r"10 runs to do .*about", shown)
    assert re.search(r"published +9\.9 ± 0\.1", shown)
    tables = tmp_path / "results" / "beside" / "tables"
    assert "shortened: 6 steps" in (tables / "reproduction.md").read_text()
    assert (tables / "reproduction.csv").read_text().count("\naccuracy,digits,3,") == 5
    assert main(command) == 0
    assert "nothing to do" in capsys.readouterr().out
