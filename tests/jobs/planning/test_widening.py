"""What follows the edge of a grid: new, valid, beyond it, for whatever is tuned; and where nothing does."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.statistics.open_ends import chosen_edges
from analysis.statistics.strength_selection import choose, with_ends
from analysis.tables.strength_text import strength_numbers
from jobs.planning.widening import beyond
from jobs.sweep.dialects import FIRST, NOW
from jobs.sweep.run_grid import Candidate, PlannedRun, runs_table
from regularize.config import RunConfig, Term
from regularize.data.data_config import DataConfig
from regularize.interval import Interval
from regularize.models.variant import widened
from regularize.regularizers import REGULARIZERS
from regularize.training_config import VALID, Training

STRENGTHS = [(name, strength) for name, row in REGULARIZERS.items() for strength in row.strengths]
FEW = settings(max_examples=15, deadline=None)


def numbers(valid: Interval, whole: bool) -> st.SearchStrategy[float]:
    """Valid ones as one would list, ends among them."""
    low, high = max(valid.low, 1e-4), min(valid.high, 1e4)
    inner = st.floats(low, high).map(lambda x: float(f"{x:.4g}"))
    if whole:
        inner = st.integers(int(max(low, 1)), int(high)).map(float)
    return st.one_of(inner, *map(st.just, valid.ends)).filter(valid.holds)


def grids(valid: Interval, whole: bool) -> st.SearchStrategy[list[float]]:
    return st.lists(numbers(valid, whole), min_size=2, max_size=4, unique=True).map(sorted)


def of_strength(technique: str, name: str, value: float) -> RunConfig:
    others = dict.fromkeys(REGULARIZERS[technique].strengths, 1.0)
    return with_terms(Term.build(technique, {**others, name: value}))


def with_terms(*terms: Term) -> RunConfig:
    return RunConfig(
        data=DataConfig(name="digits"),
        model="lenet5",
        regularizer="entry",
        terms=terms,
        training=Training(epochs=2),
    )


def of_setting(name: str, value: float) -> RunConfig:
    if name == "width":
        return replace(with_terms(), model=widened("lenet5", value))
    given: dict[str, Any] = {"epochs": 2, "optimizer": "adamw" if name == "weight_decay" else "sgd"}
    given |= {name: int(value) if VALID[name].whole else value}
    return replace(with_terms(), training=Training(**given | ({"epochs": None} if name == "steps" else {})))


def check(
    configs: list[RunConfig],
    low: bool,
    name: str,
    tuned: list[str],
    valid: Interval,
    examples: float = math.inf,
) -> None:
    tried = [Candidate(each, each.strength_with(tuned)) for each in configs]
    best = tried[0 if low else -1]
    further = beyond(tried, [best.strength], tuned, examples=examples)
    told = readers_edges(tried, best, examples)
    values = [strength_numbers(each.strength)[name] for each in tried]
    chosen = strength_numbers(best.strength)[name]
    if chosen in valid.ends or chosen >= examples:
        assert (further, told) == ([], [])
        return
    assert len(told) == 1
    (new,) = (strength_numbers(each.strength)[name] for each in further)
    assert valid.holds(new)
    assert new <= examples
    assert new < values[0] if low else new > values[-1]
    assert further[0].config.run_id not in {config.run_id for config in configs}
    assert not valid.whole or new == int(new)


def readers_edges(tried: list[Candidate], best: Candidate, examples: float) -> list[str]:
    """What is told of the choice, by the tables of a store."""
    runs = [
        PlannedRun(config=each.config, model="lenet5", phase="tune", strength=each.strength) for each in tried
    ]
    planned = runs_table(runs).to_pylist()
    results = [
        {**run, "state": "done", "validation_accuracy": float(run["strength"] == best.strength)}
        | {"training_size": examples}
        for run in planned
    ]
    rows = with_ends(choose(results, "validation_accuracy"), planned)
    (chosen,) = (row for row in rows if row["chosen"])
    return chosen_edges(chosen, rows)


@pytest.mark.parametrize(("technique", "strength"), STRENGTHS)
@given(data=st.data(), low=st.booleans())
@FEW
def test_a_strength_goes_on_to_a_valid_one_or_has_ended(
    technique: str, strength: str, data: st.DataObject, low: bool
) -> None:
    valid = REGULARIZERS[technique].strengths[strength]
    values = data.draw(grids(valid, whole=False))
    configs = [of_strength(technique, strength, value) for value in values]
    name = strength if len(REGULARIZERS[technique].strengths) > 1 else ""
    check(configs, low, name, [], valid)


@pytest.mark.parametrize("setting", VALID)
@given(data=st.data(), low=st.booleans())
@FEW
def test_a_shared_setting_goes_on_to_a_valid_one_or_has_ended(
    setting: str, data: st.DataObject, low: bool
) -> None:
    valid = VALID[setting]
    values = data.draw(grids(valid, whole=valid.whole))
    check([of_setting(setting, value) for value in values], low, setting, [setting], valid)


@given(data=st.data(), low=st.booleans(), examples=st.integers(2, 3000))
@settings(max_examples=100, deadline=None)
def test_batches_go_on_to_all_examples(data: st.DataObject, low: bool, examples: int) -> None:
    """A larger one trains the same run under another name."""
    values = data.draw(grids(VALID["batch_size"], whole=True))
    configs = [of_setting("batch_size", value) for value in values]
    check(configs, low, "batch_size", ["batch_size"], VALID["batch_size"], examples)


@pytest.mark.parametrize(
    ("technique", "strength", "values", "low"),
    [
        ("label_smoothing", "epsilon", (0.5, 1), False),
        ("dropout", "p", (0.5, 0.999), False),
        ("cutmix", "p", (0.5, 1), False),
        ("cutout", "side", (0.5, 1), False),
        ("ema", "decay", (0.9, 0.99999), False),
        ("swa", "begin", (0.5, 1), False),
        ("early_stopping", "patience", (1, 2), True),
        ("l2", "strength", (0, 1), True),
    ],
)
def test_nothing_lies_beyond_the_end_of_what_is_valid(
    technique: str, strength: str, values: tuple[float, ...], low: bool
) -> None:
    valid = REGULARIZERS[technique].strengths[strength]
    assert values[0 if low else -1] in valid.ends
    check([of_strength(technique, strength, value) for value in values], low, "", [], valid)


@pytest.mark.parametrize(
    ("technique", "strength", "values", "before", "now"),
    [("early_stopping", "patience", (3, 4), "2.25", "2"), ("augment", "shift", (3, 4), "2.25", "2")],
)
def test_what_acts_in_whole_numbers_goes_on_in_these_but_in_stores_of_before(
    technique: str, strength: str, values: tuple[float, ...], before: str, now: str
) -> None:
    configs = [of_strength(technique, strength, value) for value in values]
    tried = [Candidate(each, each.strength) for each in configs]
    for dialect, expected in ((FIRST, before), (NOW, now)):
        assert [each.strength for each in beyond(tried, [tried[0].strength], [], dialect)] == [expected]
