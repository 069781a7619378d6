"""What a plan says of a sweep that would conclude nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
from torch import nn

from jobs.planning.open_questions import open_questions
from jobs.sweep.run_grid import report_runs, runs_table, tune_runs
from jobs.sweep.sweep_file import Sweep
from regularize.data.registry import OFFICIAL
from regularize.errors import UserError
from tests.jobs.sweeps import BASE, load


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def said(sweep: Sweep) -> list[str]:
    return list(open_questions(sweep, {"digits": OFFICIAL["digits"].facts}))


def test_a_sweep_with_seeds_enough_and_a_baseline_leaves_nothing_open() -> None:
    assert said(load(BASE, "seeds=10")) == []


def test_too_few_report_seeds_are_known_before_training() -> None:
    """Of `pairs_needed`: two strengths of L2 are two comparisons, which ask for seven seeds."""
    (found,) = said(load(BASE, "seeds=3", "regularizers.l2.strength=[1e-4, 1e-3]"))
    assert found == "no conclusion can be drawn from 3 report seeds: with 2 comparisons 7 are needed"


def test_without_a_baseline_nothing_is_compared() -> None:
    (found,) = said(load(BASE, "seeds=10", "regularizers={l2: {strength: 1e-4}}"))
    assert found.startswith("nothing will be compared, as there is no entry of the technique none")


def test_a_baseline_is_known_by_its_technique_or_named() -> None:
    renamed = "regularizers={plain: {technique: none}, l2: {strength: [1e-4, 1e-3]}}"
    assert load(BASE, renamed).baseline == "plain"
    rows = runs_table(tune_runs(load(BASE, renamed, "seeds={tune: 2, report: 3}"))).to_pylist()
    assert {row["regularizer"] for row in rows if row["baseline"]} == {"plain"}
    named = load(BASE, renamed, "seeds={tune: 1, report: 3}", "baseline=l2")
    assert named.baseline == "l2"
    single = load(BASE, "regularizers={none: , l2: {strength: 1e-4}}", "seeds=2", "baseline=l2")
    assert {row["regularizer"] for row in runs_table(report_runs(single)).to_pylist() if row["baseline"]} == {
        "l2"
    }


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ("l3", "unknown baseline 'l3'; one of: l2, none; did you mean 'l2'?"),
        ("l2", "baseline is 'l2', which has 2 strengths; without tune seeds it must have one"),
    ],
)
def test_what_is_no_baseline(baseline: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        load(BASE, "seeds=2", "regularizers.l2.strength=[1e-4, 1e-3]", f"baseline={baseline}")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda shape, classes: nn.Linear(3, classes), "cannot be built: RuntimeError: "),
        (
            lambda shape, classes: 1 / 0,
            "model someones:factory cannot be built: ZeroDivisionError: division by zero",
        ),
        (
            lambda shape, classes: nn.Sequential(nn.Flatten(), nn.Linear(784, classes)),
            "dropout acts on hidden fully connected layers, and the model has none",
        ),
    ],
)
def test_a_module_of_ones_own_is_tried_once(
    factory: object, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("someones")
    module.factory = factory  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "someones", module)
    entries = "regularizers={none: , dropout: {p: 0.5}}"
    (found,) = said(load(BASE, "seeds=10", "model=someones:factory", entries))
    assert message in found
    assert found.endswith("(tried here, where it may not be as it is where it trains)")
