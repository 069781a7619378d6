from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from scipy import stats

from analysis.statistics.across_datasets import across, mean_ranks
from analysis.statistics.comparison_table import compare
from analysis.statistics.strength_selection import select
from analysis.tables.collect import collect
from analysis.tables.store_tables import Tables
from regularize.store import Store

MakeStore = Callable[..., Store]
DATASETS = ["mnist", "cifar10", "digits"]


def ready(store: Store) -> Tables:
    collect(store, ("runs", "results"))
    select(store)
    return Tables(store)


def together(tables: Tables) -> pd.DataFrame:
    return across(tables, compare(tables))


def row_of(frame: pd.DataFrame, regularizer: str) -> pd.Series:
    return frame[frame["regularizer"] == regularizer].iloc[0]


def means(scores: list[list[float]]) -> pd.DataFrame:
    """One row a problem and method."""
    rows = [
        {
            "dataset": f"d{p}",
            "per_class": None,
            "model": "m",
            "regularizer": f"r{m}",
            "strength": "",
            "mean": x,
        }
        for p, row in enumerate(scores)
        for m, x in enumerate(row)
    ]
    return pd.DataFrame(rows).astype({"per_class": "Int64"}).assign(unstable=False)


@pytest.mark.parametrize(
    "scores",
    [
        [[90, 91, 93], [70, 80, 75], [50, 50.5, 49], [10, 20, 30]],
        [[90, 90, 93], [70, 80, 80], [50, 50, 50], [10, 20, 30]],
    ],
    ids=["distinct", "ties"],
)
def test_mean_ranks_are_those_of_scikit_posthocs(scores: list[list[float]]) -> None:
    """Its Nemenyi test is a function of differences of mean ranks alone."""
    ranks = mean_ranks(means(scores), len(scores), 1)
    problems, methods = np.shape(scores)
    expected = scikit_posthocs.posthoc_nemenyi_friedman(np.array(scores))
    for i in range(methods):
        for j in range(i):
            q = abs(ranks[f"r{i}", ""] - ranks[f"r{j}", ""])
            q *= np.sqrt(2) / np.sqrt(methods * (methods + 1) / (6 * problems))
            assert stats.studentized_range.sf(q, methods, np.inf) == pytest.approx(
                expected.iloc[i, j], abs=1e-3
            )


def test_rank_one_is_best_either_way() -> None:
    frame = means([[1.0, 2.0, 3.0], [1.0, 3.0, 2.0]])
    assert mean_ranks(frame, 2, 1) == {("r0", ""): 3.0, ("r1", ""): 1.5, ("r2", ""): 1.5}
    assert mean_ranks(frame, 2, -1) == {("r0", ""): 1.0, ("r1", ""): 2.5, ("r2", ""): 2.5}


def test_what_is_not_in_every_problem_is_not_ranked() -> None:
    frame = means([[1.0, 2.0, 3.0], [1.0, 3.0, float("nan")]])
    assert mean_ranks(frame, 2, 1) == {("r0", ""): 2.0, ("r1", ""): 1.0}


def test_what_often_diverges_is_not_ranked() -> None:
    """The one survivor of ten runs was ranked first."""
    frame = means([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    frame.loc[5, "unstable"] = True
    assert mean_ranks(frame, 2, 1) == {("r0", ""): 2.0, ("r1", ""): 1.0}


def test_counts_and_the_interquartile_mean(make_store: MakeStore) -> None:
    tables = ready(make_store(datasets=DATASETS, report=range(1000, 1010)))
    compared = compare(tables)
    frame = across(tables, compared)
    assert frame["regularizer"].tolist() == ["none", "l2", "elastic_net", "dropout"]
    for regularizer in ("l2", "dropout"):
        row, rows = row_of(frame, regularizer), compared[compared["regularizer"] == regularizer]
        assert row["wins"] == (rows["difference"] > 0).sum()
        assert row["losses"] == (rows["difference"] < 0).sum()
        assert row["significant_wins"] + row["significant_losses"] == rows["confirmed"].sum()
        report = tables.results[tables.results["phase"] == "report"]
        scores = 100 * report.pivot(index=["dataset", "seed"], columns="regularizer", values="test_accuracy")
        pooled = np.sort(scores[regularizer] - scores["none"])
        assert row["n"] == 30
        assert row["iqm_difference"] == pytest.approx(pooled[7:-7].mean())
    assert frame["mean_rank"].sum() == pytest.approx(4 * 5 / 2)
    none = row_of(frame, "none")
    assert (none["wins"], none["ties"], none["losses"], none["n"]) == (0, 0, 0, 0)


def test_refusals_and_diverged_runs_are_counted(make_store: MakeStore) -> None:
    diverged = [("mnist", "l2", "0.0005", seed) for seed in range(1000, 1008)]
    frame = together(ready(make_store(datasets=DATASETS, report=range(1000, 1010), diverged=diverged)))
    assert frame.set_index("regularizer")["refused"].to_dict() == {
        "none": 0, "l2": 1, "elastic_net": 0, "dropout": 0
    }  # fmt: skip
    assert row_of(frame, "l2")["n_diverged"] == 8
    assert row_of(frame, "l2")["n"] == 30, "they count as constant guesses"
    assert pd.isna(row_of(frame, "l2")["mean_rank"])


def test_one_problem_has_nothing_across(make_store: MakeStore) -> None:
    assert together(ready(make_store())).empty


def test_strengths_without_tuning_stay_apart(make_store: MakeStore) -> None:
    frame = together(ready(make_store(datasets=DATASETS, tune=())))
    assert len(frame) == 9
    assert frame["problems"].eq(3).all()


def test_order_of_rows_never_matters(make_store: MakeStore) -> None:
    tables = ready(make_store(datasets=DATASETS, report=range(1000, 1010)))
    shuffled = Tables(tables.store)
    shuffled.__dict__["results"] = tables.results.sample(frac=1, random_state=5)
    pd.testing.assert_frame_equal(together(shuffled), together(tables), check_exact=True)
