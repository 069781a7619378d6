"""What sweep files mean; the words for what is wrong with one are in `test_sweep_errors.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.sweep.run_grid import report_runs, tune_runs
from jobs.sweep.sweep_file import load_sweep
from regularize.config import Evaluation, RunConfig
from regularize.data import check_known
from regularize.errors import UserError
from regularize.training_config import Training
from tests.jobs.sweeps import BASE, load, strengths, with_line


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_smallest_sweep_is_filled_with_defaults() -> None:
    sweep = load(BASE)
    assert (sweep.name, sweep.models, sweep.metric) == ("small", ("lenet5",), "validation_accuracy")
    assert sweep.evaluation == Evaluation()
    assert sweep.datasets[0].training == Training(epochs=2)
    assert [size.per_class for size in sweep.datasets[0].sizes] == [None]
    assert [entry.name for entry in sweep.datasets[0].entries] == ["none", "l2"]
    assert strengths(sweep, "none") == [()]
    assert strengths(sweep, "l2") == [(1e-5,), (1e-4,)]
    assert sweep.text == BASE


def test_every_training_and_evaluation_field_is_read() -> None:
    training = (
        "{steps: 9, batch_size: 4, optimizer: adam, lr: 1, schedule: step, milestones: 0.5, gamma: 1e-1}"
    )
    text = with_line(
        4, f"training: {training}\nevaluation: {{every: 3, train_examples: 7, predictions: false}}"
    )
    sweep = load(text)
    assert sweep.datasets[0].training == Training(
        steps=9, batch_size=4, optimizer="adam", lr=1.0, schedule="step", milestones=(0.5,), gamma=0.1
    )
    assert sweep.evaluation == Evaluation(every=3, train_examples=7, predictions=False)


def test_a_dataset_can_differ_in_size_training_and_strengths() -> None:
    datasets = """dataset:
  digits:
  mnist:
    validation: 0.2
    per_class: [1, 3, null]
    training: {epochs: 7, lr: 1e-3}
    regularizers: {l2: {strength: 5}, mix: {l1: {strength: 6}}}"""
    mix = "  l2: {strength: 1}\n  mix: {compose: [l1, dropout], l1: {strength: 2}, dropout: {p: 0.5}}"
    sweep = load(with_line(2, datasets).replace("  l2: {strength: [1e-5, 1e-4]}", mix))
    assert [(size.name, size.per_class, size.share) for grid in sweep.datasets for size in grid.sizes] == [
        ("digits", None, 0.1),
        ("mnist", 1, 0.2),
        ("mnist", 3, 0.2),
        ("mnist", None, 0.2),
    ]
    assert [grid.training for grid in sweep.datasets] == [Training(epochs=2), Training(epochs=7, lr=1e-3)]
    assert [strengths(sweep, "l2", i) for i in (0, 1)] == [[(1,)], [(5,)]]
    assert [strengths(sweep, "mix", i) for i in (0, 1)] == [[(2, 0.5)], [(6, 0.5)]]


@pytest.mark.parametrize(
    ("seeds", "tune", "report"),
    [
        ("{tune: 2, report: 3}", (0, 1), (1000, 1001, 1002)),
        ("{tune: [7, 5], report: [1]}", (7, 5), (1,)),
        ("{tune: 2, repetitions: 3}", (0, 1, 2, 3, 4, 5), (1000, 1001, 1002)),
        ("3", (), (0, 1, 2)),
        ("[4, 9]", (), (4, 9)),
    ],
)
def test_seeds_of_two_phases_or_one(seeds: str, tune: tuple[int, ...], report: tuple[int, ...]) -> None:
    sweep = load(with_line(8, f"seeds: {seeds}"))
    assert (sweep.tune_seeds, sweep.report_seeds) == (tune, report)
    assert sweep.two_phase == bool(tune)


@pytest.mark.parametrize("metric", ["validation_loss", "val_loss"])
def test_the_metric_of_selection(metric: str) -> None:
    assert load(f"{BASE}select: {{metric: {metric}}}\n").metric == "validation_loss"


def test_the_form_of_a_dataset_is_part_of_a_run_but_what_is_so_anyway_is_not() -> None:
    def ids(settings: str) -> set[str]:
        sweep = load(with_line(2, f"dataset:\n  digits: {settings}"))
        return {run.config.run_id for run in tune_runs(sweep) or report_runs(sweep)}

    plain = ids("{}")
    assert ids("{validation: 0.1}") == plain  # which is what is held out where nothing is said
    others = [ids("{resize: 14}"), ids("{channels: 3}"), ids("{resize: 14, channels: 3}"), plain]
    assert len(set.union(*others)) == sum(map(len, others))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("{resize: 1}", "sweep.yaml:3: resize is 1, but must be between 2 and 512 pixels"),
        ("{channels: 2}", "sweep.yaml:3: channels is 2, but must be 1 .grey. or 3 .in colour."),
    ],
)
def test_a_form_that_cannot_be(settings: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load(with_line(2, f"dataset:\n  digits: {settings}"))


def test_anchors_and_merge_keys_share_settings() -> None:
    text = with_line(2, "dataset:\n  digits: &few {per_class: [1, 2]}\n  mnist: {<<: *few, validation: 0.3}")
    sizes = [[(size.per_class, size.share) for size in grid.sizes] for grid in load(text).datasets]
    assert sizes == [[(1, "matched"), (2, "matched")], [(1, 0.3), (2, 0.3)]]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("{per_class: [30, null]}", ["matched", None]),  # of all examples a tenth
        ("{per_class: 30, validation: matched}", ["matched"]),
        ("{per_class: 30, validation: null}", ["matched"]),
        ("{per_class: 30, validation: 1/10}", [0.1]),
        ("{per_class: 30, validation: 300}", [300]),
        ("{validation: null}", [None]),
    ],
)
def test_few_examples_have_as_few_to_validate_unless_something_is_asked_for(
    settings: str, expected: list[object]
) -> None:
    (grid,) = load(with_line(2, f"dataset:\n  digits: {settings}")).datasets
    assert [size.validation for size in grid.sizes] == expected


def test_how_many_validate_is_a_part_of_what_a_run_is() -> None:
    """What a store of before has, without a word on it, is what a tenth is."""
    few = {}
    for asked in ("matched", "1/10", "300"):
        sweep = load(with_line(2, f"dataset:\n  digits: {{per_class: 30, validation: {asked}}}"))
        few[asked] = tune_runs(sweep)[0].config
    assert len({config.run_id for config in few.values()}) == 3
    stored = few["1/10"].to_json()
    stored["data"]["validation"] = None
    before = RunConfig.from_json(stored)
    assert (before.data.validation, before.run_id) == (None, few["1/10"].run_id)
    assert RunConfig.read(json.dumps(few["matched"].to_json())) == few["matched"]


def test_a_dataset_has_to_be_known(tmp_path: Path) -> None:
    Path("sweep.yaml").write_text(with_line(2, "dataset: [digits, mine]"))
    (tmp_path / "mine.npz").touch()
    assert load_sweep(Path("sweep.yaml"), check_dataset=lambda name: check_known(name, tmp_path))
    (tmp_path / "mine.npz").unlink()
    with pytest.raises(UserError) as error:
        load_sweep(Path("sweep.yaml"), check_dataset=lambda name: check_known(name, tmp_path))
    assert str(error.value).startswith("sweep.yaml:2: unknown data set 'mine'; one of: cifar10, ")
    assert f"{tmp_path} has no set of your own" in str(error.value)


def test_overrides_change_the_sweep_and_are_kept_in_its_text() -> None:
    overrides = (
        "training.epochs=5",
        "seeds.report=1",
        "dataset=[digits, mnist]",
        "evaluation.every=2",
        "regularizers.l1.strength=[1e-3, 1]",
    )
    sweep = load(BASE, *overrides)
    assert sweep.datasets[1].training == Training(epochs=5)
    assert (sweep.report_seeds, sweep.evaluation.every) == ((1000,), 2)
    assert [entry.name for entry in sweep.datasets[0].entries] == ["none", "l2", "l1"]
    assert strengths(sweep, "l1") == [(1e-3,), (1,)]
    for override in overrides:
        assert f"#   --set {override}\n" in sweep.text
    assert load(sweep.text) == sweep
    assert load(sweep.text).text == sweep.text


def test_steps_can_replace_epochs_from_the_command_line() -> None:
    sweep = load(BASE, "training.epochs=null", "training.steps=20")
    assert sweep.datasets[0].training == Training(steps=20)


def test_reading_a_sweep_imports_nothing_heavy() -> None:
    heavy = {"torch", "pandas", "pyarrow", "numpy", "matplotlib", "sklearn", "submitit"}
    code = (
        f"import sys, jobs.sweep.sweep_file, jobs.sweep.run_grid; print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
