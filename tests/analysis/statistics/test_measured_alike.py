"""How a number was measured is part of the number: values measured differently never meet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from analysis.figures.draw_figures import draw_all
from analysis.statistics.binned_predictions import binned
from analysis.statistics.comparison_table import compare
from analysis.statistics.contenders import comparisons
from analysis.tables.collect import collect
from analysis.tables.measured_alike import corruptions_alike, curves_alike
from analysis.tables.store_tables import Tables, records
from analysis.text import comparison_text
from regularize.errors import UserError
from regularize.evaluation.settings import Evaluation, Robustness
from regularize.store import METRICS, PREDICTIONS, RESULTS, ROBUSTNESS, RUNS, Store, read_json, write_table

MakeStore = Callable[..., Store]
Row = dict[str, Any]
OLD = Evaluation(train_examples=50, jacobian_examples=5, robustness=Robustness(fgsm=(0.1,), examples=100))
NEW = Evaluation(train_examples=90, jacobian_examples=9, robustness=Robustness(fgsm=(0.1,), examples=300))
SEEDS = range(1000, 1004)


def changed(path: Path, schema: Any, change: Callable[[Row], Row | None]) -> None:
    """Write a table anew with `change` applied to its rows; None takes one out."""
    rows = [new for row in pq.ParquetFile(path).read().to_pylist() if (new := change(row)) is not None]
    write_table(path, rows, schema)


def measured(store: Store, how: Callable[[Row], Evaluation | None]) -> dict[str, Row]:
    """A sweep that asks for NEW, its runs measured as `how` says; by run id."""
    runs = {row["run_id"]: row for row in pq.ParquetFile(store.runs).read().to_pylist()}
    changed(store.runs, RUNS, lambda row: row | {"evaluation": NEW.text})

    def result(row: Row) -> Row:
        by = how(runs[row["run_id"]])
        if by is None:
            return row | {"jacobian_norm": 2.0}
        spoilt = 100.0 if by == OLD else 1.0
        numbers: Mapping[str, Any] = {
            "train_examples": by.train_examples,
            "jacobian_examples": by.jacobian_examples,
        }
        return row | {"evaluation": by.text, "jacobian_norm": 2.0 * spoilt, **numbers}

    def attack(row: Row) -> Row:
        by = how(runs[row["run_id"]])
        if by is None or by.robustness is None:
            return row
        spoilt = {"accuracy": 0.0} if by == OLD else {}
        return row | {"examples": by.robustness.examples} | spoilt

    for folder in store.packs.iterdir():
        changed(folder / "results.parquet", RESULTS, result)
        changed(folder / "robustness.parquet", ROBUSTNESS, attack)
    collect(store)
    return runs


def half_of_none(row: Row) -> Evaluation:
    return OLD if row["regularizer"] == "none" and row["seed"] < 1002 else NEW


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    return make_store(strengths={"none": [""], "l2": ["0.01"]}, tune=(), report=SEEDS)


@pytest.mark.parametrize("metric", ["jacobian_norm", "loss_gap", "fgsm:0.1"])
def test_a_value_counts_where_its_run_was_measured_as_the_sweep_asks_now(store: Store, metric: str) -> None:
    measured(store, half_of_none)
    frame = compare(Tables(store), metric)
    assert frame[["n", "n_unmeasured"]].to_numpy().tolist() == [[2, 2], [4, 0]]
    assert frame["n_pairs"].tolist()[1] == 2
    if metric == "jacobian_norm":
        assert frame["mean"].tolist() == [2.0, 2.0]
    (group,) = comparison_text.groups(frame, defaultdict(list))
    assert [note for note in group.notes if "2 runs were not measured" in note]


@pytest.mark.parametrize(("metric", "n", "mean"), [("fgsm:0.1", 10, 73.0), ("jacobian_norm", 9, 2.0)])
def test_diverged_runs_count_as_guesses_and_those_measured_otherwise_do_not(
    make_store: MakeStore, metric: str, n: int, mean: float
) -> None:
    store = make_store(
        strengths={"none": [""], "l2": ["0.01"]},
        tune=(),
        report=range(1000, 1010),
        diverged=[("mnist", "l2", "0.01", 1003)],
    )
    measured(store, half_of_none)
    none, l2 = records(compare(Tables(store), metric))
    assert (none["n"], none["n_diverged"], none["n_unmeasured"]) == (8, 0, 2)
    assert (l2["n"], l2["n_diverged"], l2["n_unmeasured"]) == (n, 1, 0)
    assert l2["mean"] == pytest.approx(mean)
    assert l2["n_pairs"] == n - 2


def test_what_is_measured_on_whole_splits_counts_always(store: Store) -> None:
    measured(store, half_of_none)
    frame = compare(Tables(store), "test_accuracy")
    assert frame[["n", "n_unmeasured"]].to_numpy().tolist() == [[4, 0], [4, 0]]
    (group,) = comparison_text.groups(frame, defaultdict(list))
    assert not [note for note in group.notes if "measured" in note]


def test_where_nothing_was_measured_as_asked_it_says_so(store: Store) -> None:
    measured(store, lambda _: OLD)
    assert compare(Tables(store), "jacobian_norm")["n"].tolist() == [0, 0]
    with pytest.raises(UserError, match="otherwise than the sweep asks for now"):
        compare(Tables(store), "fgsm:0.1")


def test_of_earlier_versions_the_numbers_are_all_that_is_known(store: Store) -> None:
    measured(store, lambda row: NEW if row["seed"] == 1000 else None)
    assert compare(Tables(store), "jacobian_norm")["n"].tolist() == [4, 4]
    with_numbers = {"jacobian_examples": 3}
    for folder in store.packs.iterdir():
        changed(
            folder / "results.parquet",
            RESULTS,
            lambda row: with_numbers | {k: v for k, v in row.items() if v},
        )
    collect(store)
    assert compare(Tables(store), "jacobian_norm")["n"].tolist() == [3, 3], "of 9 examples there are two only"


def test_the_figure_says_how_many_were_measured(store: Store) -> None:
    measured(store, half_of_none)
    (path, *_) = draw_all(store, ["robustness_curves"]).paths
    told = read_json(path.with_suffix(".json"))
    assert told["n"] == {"no regularizer": 2, "L2 (λ = 0.01)": 4}
    assert "(n = 2 to 4)" in told["caption"]
    assert "accuracy on 300 test images" in told["caption"]
    assert (
        "2 runs were not measured, or otherwise than the sweep asks for now, and left out" in told["caption"]
    )


def test_curves_are_of_runs_on_as_many_examples_at_epochs_that_all_have(store: Store) -> None:
    def change(row: Row) -> Row | None:
        if runs[row["run_id"]]["seed"] == 1000:
            # The last row is measured on whole splits, whatever the others are.
            return row | ({"examples": 20} if row["epoch"] < 5 else {})
        rare = runs[row["run_id"]]["seed"] == 1001
        return None if rare and row["epoch"] % 2 == 0 else row

    runs = measured(store, lambda _: NEW)
    for folder in store.packs.iterdir():
        changed(folder / "metrics.parquet", METRICS, change)
    collect(store)
    (comparison,) = comparisons(Tables(store))
    found = comparison.metrics
    assert set(found["seed"]) == {1001, 1002, 1003}
    assert sorted(set(found["epoch"])) == [1, 3, 5]
    assert found.groupby(["regularizer", "epoch", "split"])["run_id"].nunique().eq(3).all()
    (path, *_) = draw_all(store, ["loss_curves"]).paths
    told = read_json(path.with_suffix(".json"))
    assert told["n"] == {"no regularizer": 3, "L2 (λ = 0.01)": 3}
    assert "2 runs were not measured" in told["caption"]


def test_curves_that_are_all_alike_stay_as_they_are() -> None:
    rows = pd.DataFrame(
        [
            {"run_id": run, "split": split, "epoch": epoch, "examples": None}
            for run in "ab"
            for split in ("train", "test")
            for epoch in (1, 2)
        ]
    )
    pd.testing.assert_frame_equal(curves_alike(rows), rows)
    assert curves_alike(rows.iloc[:0]).empty


def test_a_run_that_was_stopped_ends_the_line_of_its_contender_alone() -> None:
    """Of `patient` at the first of its stops; epochs that one of the others lacks are nobody's."""
    ends = {("none", "a"): 6, ("none", "b"): 6, ("patient", "c"): 3, ("patient", "d"): 5}
    rows = pd.DataFrame(
        [
            {
                "run_id": run,
                "regularizer": name,
                "strength": "",
                "split": "test",
                "epoch": epoch,
                "examples": 9,
            }
            for (name, run), last in ends.items()
            for epoch in range(1, last + 1)
            if (run, epoch) != ("b", 2)
        ]
    )
    found = curves_alike(rows)
    assert {run: [*mine] for run, mine in found.groupby("run_id")["epoch"]} == {
        "a": [1, 3, 4, 5, 6],
        "b": [1, 3, 4, 5, 6],
        "c": [1, 3],
        "d": [1, 3],
    }


def test_predictions_that_only_some_runs_have(store: Store) -> None:
    runs = measured(store, lambda _: replace(NEW, predictions=False))
    for folder in store.packs.iterdir():
        changed(
            folder / "predictions.parquet",
            PREDICTIONS,
            lambda row: None if runs[row["run_id"]]["regularizer"] == "none" or row["example"] > 4 else row,
        )
    collect(store)
    (comparison,) = comparisons(Tables(store))
    found = binned(comparison)
    assert found is not None
    assert found.classes == 10
    assert set(found.runs["regularizer"]) == {"l2"}
    for path in draw_all(store, ["confidence_distributions"]).paths:
        told = read_json(path.with_suffix(".json"))
        assert told["n"] == {"no regularizer": 0, "L2 (λ = 0.01)": 4}
        assert "4 runs were not measured" in told["caption"]


def test_accuracies_on_other_corrupted_images_are_not_compared() -> None:
    """Files that were mended between two submissions keep their names."""
    shared = {"corruption": "fog", "examples": 100}
    rows = pd.DataFrame(
        [shared | {"run_id": name, "severity": 1, "content": 1} for name in "abc"]
        + [shared | {"run_id": "late", "severity": 1, "content": 2}]
        + [shared | {"run_id": name, "severity": 0, "content": None} for name in ("a", "late")]
    )
    runs = pd.DataFrame({"run_id": ["a", "b", "c", "late"], "evaluation": None})
    kept = corruptions_alike(rows, runs, runs)
    assert kept[kept["severity"] == 1]["run_id"].tolist() == ["a", "b", "c"]
    assert kept[kept["severity"] == 0]["run_id"].tolist() == ["a", "late"]
    older = corruptions_alike(rows.drop(columns="content"), runs, runs)
    assert len(older) == len(rows), "older tables do not say"
