"""What a sweep asks to be measured, and what its author is told where that makes no sense."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from jobs.sweep.run_grid import tune_runs
from jobs.sweep.sweep_file import Sweep
from regularize.config import RunConfig
from regularize.errors import UserError, one_of
from regularize.evaluation.settings import Evaluation, Robustness
from tests.jobs.sweeps import BASE, load

ROBUSTNESS = [field.name for field in fields(Robustness)]
KEYS = [field.name for field in fields(Evaluation) if field.name != "for_choice"]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def sweep(evaluation: str) -> Sweep:
    return load(f"{BASE}evaluation:\n  {evaluation}\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("robustness: true", Robustness()),
        ("robustness: {}", Robustness()),
        ("robustness: false", None),
        ("robustness:", None),
        ("predictions: true", None),
        (
            "robustness: {noise: 0.1, fgsm: [], pgd: [8/255, 0.5], pgd_steps: 3, examples: 7}",
            Robustness(noise=(0.1,), fgsm=(), pgd=(8 / 255, 0.5), pgd_steps=3, examples=7),
        ),
    ],
)
def test_robustness_is_on_off_or_a_mapping(text: str, expected: Robustness | None) -> None:
    assert sweep(text).evaluation == Evaluation(robustness=expected)


def test_tune_runs_are_measured_for_the_choice_unless_all_is_asked_for() -> None:
    text = "\n  snapshots: 3\n  every: 2\n  robustness: true"
    for_choice, full = sweep(text), sweep(f"{text}\n  tune: all")
    chosen_by = {run.config.evaluation for run in tune_runs(for_choice)}
    assert chosen_by == {Evaluation(every=2, predictions=False, jacobian_examples=0, for_choice=True)}
    assert Evaluation.from_json(json.loads(next(iter(chosen_by)).text)) == next(iter(chosen_by))
    asked = Evaluation(every=2, snapshots=3, robustness=Robustness())
    assert {run.config.evaluation for run in tune_runs(full)} == {asked}
    # How tune runs are measured is no setting of report runs: these are not measured again for it.
    assert {each.evaluation.of_phase("report").text for each in (for_choice, full)} == {asked.text}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("robustness: all", "10: robustness is 'all', but must be true, false or a mapping (key: value)"),
        ("robustness: [pgd]", "10: robustness is ['pgd'], but must be true, false or a mapping (key: value)"),
        ("robustness: {pdg: 0.1}", f"10: unknown key 'pdg'; {one_of('pdg', ROBUSTNESS)}"),
        ("robustness:\n    fgsm: [0.1,\n      8/0]", "12: fgsm is '8/0', but must be a finite number"),
        ("robustness:\n    pgd: [0.1, 0]", "11: pgd is [0.1, 0.0], but must be sizes above 0 and at most 1"),
        ("robustness:\n    pgd: [0.1, 1/10]", "11: pgd is [0.1, 0.1], but must be different sizes"),
        ("robustness:\n    examples: 10\n    pgd_steps: 0", "12: pgd_steps is 0, but must be at least 1"),
        ("robustness: {examples: 0}", "10: examples is 0, but must be at least 1"),
        ("robustness: {pgd_step_size: 2}", "10: pgd_step_size is 2.0, but must be above 0 and at most 1"),
        ("every: 2\n  tune: none", "11: tune is 'none', but must be choice or all"),
        ("for_choice: true", f"10: unknown key 'for_choice'; {one_of('for_choice', KEYS)}"),
        ("jacobian_examples: -1", "10: jacobian_examples is -1, but must be at least 0"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        sweep(text)
    assert str(error.value) == f"sweep.yaml:{message}"


def test_evaluation_survives_the_table_of_runs_and_does_not_enter_the_run_id() -> None:
    asked, plain = (
        [run.config for run in tune_runs(sweep(text))]
        for text in ("robustness: {pgd: 0.1}", "predictions: true")
    )
    assert [run.run_id for run in asked] == [run.run_id for run in plain]
    for run in (*asked, *plain):
        assert RunConfig.from_json(json.loads(json.dumps(run.to_json()))) == run
