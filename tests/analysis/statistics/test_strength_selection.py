from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from statistics import fmean, stdev
from typing import Any

import pyarrow.parquet as pq
import pytest

from analysis.statistics.strength_selection import SELECTION, Cell, choose, missing, select, weakest_first
from regularize.errors import UserError
from regularize.store import Store
from regularize.technique_words import Words
from tests.regularize.technique_cases import TABLE, TOGETHER

MakeStore = Callable[..., Store]


def results(
    scores: dict[str, list[float | None]], metric: str = "validation_accuracy"
) -> list[dict[str, Any]]:
    """Tune results of one cell; None is a diverged run."""
    cell = {"dataset": "mnist", "per_class": None, "model": "lenet5", "regularizer": "l2"}
    return [
        {**cell, "strength": strength, "seed": seed, metric: math.nan if value is None else value}
        | {"state": "diverged" if value is None else "done", "classes": 10}
        for strength, values in scores.items()
        for seed, value in enumerate(values)
    ]


def chosen(scores: dict[str, list[float | None]], metric: str = "validation_accuracy") -> str:
    (found,) = [row["strength"] for row in choose(results(scores, metric), metric) if row["chosen"]]
    return str(found)


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ({"0.1": [0.7, 0.8], "0.2": [0.8, 0.9], "0.3": [0.6, 0.99]}, "0.2"),
        ({"0.01": [0.9, 0.8], "1e-05": [0.8, 0.9], "0.001": [0.85, 0.85]}, "1e-05"),  # a tie
        ({"0.2": [0.3, 0.3, 0.3], "0.1": [0.1, 0.2, 0.6]}, "0.1"),  # but for rounding of the sums
        ({"0.1": [0.99, 0.99, None], "0.2": [0.7, 0.7, 0.7]}, "0.2"),  # 0.69 with the guess
        ({"0.1": [0.99, 0.99, None], "0.2": [0.6, 0.6, 0.6]}, "0.1"),
        ({"0.1": [None, None], "0.2": [None, None]}, "0.1"),
        ({"l1=0.1 l2=1e-05": [0.5], "l1=1e-05 l2=0.1": [0.5]}, "l1=1e-05 l2=0.1"),
        ({"": [0.5, 0.6]}, ""),
    ],
)
def test_highest_mean_accuracy(scores: dict[str, list[float | None]], best: str) -> None:
    assert chosen(scores) == best


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ({"0.1": [0.7, 0.8], "0.2": [0.8, 0.9]}, "0.1"),
        ({"0.1": [1.9, 1.9, None], "0.2": [2.0, 2.0, 2.0]}, "0.2"),  # a guess has 2.3
        ({"0.1": [1.7, 1.7, None], "0.2": [2.0, 2.0, 2.0]}, "0.1"),
        ({"0.1": [None, None], "0.2": [math.log(10)] * 2}, "0.2"),  # fewer diverged
    ],
)
def test_lowest_mean_loss(scores: dict[str, list[float | None]], best: str) -> None:
    assert chosen(scores, "validation_loss") == best


def test_the_table_says_what_was_seen() -> None:
    rows = choose(results({"0.1": [0.7, 0.8, 0.9], "0.2": [0.8, None, 0.9]}), "validation_accuracy")
    assert [row["n"] for row in rows] == [3, 3]
    assert [row["n_diverged"] for row in rows] == [0, 1]
    assert rows[0]["mean"] == pytest.approx(0.8)
    assert rows[0]["sd"] == pytest.approx(0.1)
    assert rows[1]["mean"] == pytest.approx((1.7 + 0.1) / 3)
    assert "a diverged run counts as a constant guess" in rows[0]["rule"]


def test_of_older_runs_that_do_not_say_how_many_classes_the_worst_is_assumed() -> None:
    runs = [row | {"classes": None} for row in results({"0.1": [0.7, None]}, "validation_loss")]
    rows = choose(runs, "validation_loss")
    assert rows[0]["mean"] == math.inf
    assert rows[0]["sd"] is None
    assert (
        choose([row | {"validation_accuracy": 0.5} for row in runs], "validation_accuracy")[0]["mean"] == 0.25
    )


def test_select_looks_at_tune_seeds_alone(make_store: MakeStore) -> None:
    store = make_store(datasets=["mnist", "cifar10"], chosen={"l2": 2, "dropout": 0})
    found = select(store)
    assert found[Cell("mnist", None, "lenet5", "l2")] == "0.01"
    assert found[Cell("cifar10", None, "lenet5", "dropout")] == "0.1"
    assert found[Cell("mnist", None, "lenet5", "none")] == ""
    table = pq.read_table(store.table("selection"))
    assert table.schema.remove_metadata().equals(SELECTION)
    tuned = [
        row["validation_accuracy"]
        for row in pq.read_table(store.table("results")).to_pylist()
        if (row["phase"], row["dataset"], row["strength"]) == ("tune", "mnist", "0.01")
    ]
    (row,) = [row for row in table.to_pylist() if (row["dataset"], row["strength"]) == ("mnist", "0.01")]
    assert (row["mean"], row["sd"], row["n"]) == (pytest.approx(fmean(tuned)), pytest.approx(stdev(tuned)), 3)


def test_select_leaves_predictions_alone(make_store: MakeStore) -> None:
    store = make_store()
    select(store)
    assert not store.table("predictions").exists()


def test_missing_tune_runs_are_refused_and_named(make_store: MakeStore) -> None:
    store = make_store()
    assert missing(store) == []
    lost = next(p for p in store.packs.iterdir() if len(pq.read_table(p / "results.parquet")) == 1)
    runs = set(pq.read_table(lost / "results.parquet")["run_id"].to_pylist())
    shutil.rmtree(lost)
    assert {run["run_id"] for run in missing(store)} == runs
    with pytest.raises(UserError, match=r"1 tune runs have no result \(mnist lenet5 .*: 1\)"):
        select(store)
    assert not store.table("selection").exists()


def test_a_sweep_without_tune_seeds_selects_nothing(make_store: MakeStore) -> None:
    store = make_store(tune=())
    assert select(store) == {}
    assert not store.table("selection").exists()


def test_unknown_metric(make_store: MakeStore) -> None:
    with pytest.raises(UserError, match="did you mean 'validation_loss'"):
        select(make_store(), "validation_los")


def tied(configs: dict[str, dict[str, Any]], words: dict[str, Words]) -> str:
    """Which strength is chosen of those with these configurations, all of which score the same."""
    scores: dict[str, list[float | None]] = {strength: [0.9, 0.8] for strength in configs}
    rows = results(scores)
    cell = {name: rows[0][name] for name in ("dataset", "per_class", "model", "regularizer")}
    runs = [
        {**cell, "strength": strength, "repetition": 0, "config": json.dumps(config)}
        for strength, config in configs.items()
    ]
    found = choose(rows, "validation_accuracy", weakest_first(runs, words))
    (strength,) = [row["strength"] for row in found if row["chosen"]]
    return str(strength)


@pytest.mark.parametrize("name", [*TABLE, *TOGETHER])
def test_of_equals_the_weakest_is_chosen_which_is_not_always_the_smallest(name: str) -> None:
    case = (TABLE | TOGETHER)[name]
    weak, strong = (case.run(terms, 0) for terms in (case.weak, case.strong))
    configs = {config.strength: config.to_json() for config in (weak, strong)}
    assert tied(configs, {}) == weak.strength
    if case.zero:
        zero = case.run(case.zero, 0)
        assert tied(configs | {zero.strength: zero.to_json()}, {}) == zero.strength


@pytest.mark.parametrize(("weaker", "expected"), [((), "0.1"), (("band",), "0.2")])
def test_a_technique_of_one_s_own_says_which_way_is_weak(weaker: tuple[str, ...], expected: str) -> None:
    configs = {
        strength: {"terms": [{"technique": "mine:OWN", "strengths": [["band", float(strength)]]}]}
        for strength in ("0.1", "0.2")
    }
    assert tied(configs, {"mine:OWN": Words("Own", "other", "b", weaker)}) == expected


def test_of_equal_settings_that_are_tuned_the_lowest_is_chosen_after_the_weakest_strength() -> None:
    terms = TABLE["hard_svb"].run(TABLE["hard_svb"].weak, 0).to_json()["terms"]
    configs = {f"epsilon={e} lr={lr}": {"terms": terms} for e in ("0.1", "0.2") for lr in ("0.01", "0.1")}
    assert tied(configs, {}) == "epsilon=0.2 lr=0.01"
