from __future__ import annotations

import io
import math
from collections.abc import Callable

import pandas as pd
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from scipy import stats

from analysis.statistics.strength_selection import select
from analysis.tables.collect import collect
from analysis.tables.store_tables import Tables
from analysis.text.results_table import results_table, write
from analysis.text.results_text import to_latex, to_terminal
from regularize.store import Store

MakeStore = Callable[..., Store]
DIVERGED = [("mnist", "l2", "0.0005", 1001)]


@pytest.fixture
def tables(make_store: MakeStore) -> Tables:
    store = make_store(datasets=["mnist", "cifar10"], diverged=DIVERGED)
    collect(store)
    select(store)
    return Tables(store)


def row_of(frame: pd.DataFrame, regularizer: str, dataset: str = "mnist") -> pd.Series:
    rows = frame[(frame["regularizer"] == regularizer) & (frame["dataset"] == dataset)]
    assert len(rows) == 1
    return rows.iloc[0]


def scores(tables: Tables, regularizer: str, dataset: str = "mnist") -> dict[int, float]:
    """Test accuracy in percent by seed, straight from the packs."""
    runs = {run["run_id"]: run for run in pq.read_table(tables.store.runs).to_pylist()}
    found = {}
    for path in tables.store.packs.glob("*/results.parquet"):
        for result in pq.read_table(path).to_pylist():
            run = runs[result["run_id"]]
            wanted = (run["regularizer"], run["dataset"], run["phase"]) == (regularizer, dataset, "report")
            if wanted and result["state"] == "done":
                found[run["seed"]] = 100 * result["test_accuracy"]
    return found


def test_means_and_intervals(tables: Tables) -> None:
    row = row_of(results_table(tables), "dropout")
    values = list(scores(tables, "dropout").values())
    low, high = stats.t.interval(0.95, 4, loc=sum(values) / 5, scale=stats.sem(values))
    assert row["strength"] == "0.3"
    assert (row["n"], row["n_diverged"]) == (5, 0)
    assert row["test_accuracy"] - row["test_accuracy_half"] == pytest.approx(low)
    assert row["test_accuracy"] + row["test_accuracy_half"] == pytest.approx(high)


def test_difference_is_paired_by_seed(tables: Tables) -> None:
    mine, none = scores(tables, "l2"), scores(tables, "none")
    assert set(none) - set(mine) == {1001}, "the diverged one, which counts as a guess among ten classes"
    mine[1001] = 10.0
    differences = [mine[seed] - none[seed] for seed in mine]
    row = row_of(results_table(tables), "l2")
    assert (row["n"], row["n_diverged"], row["n_pairs"]) == (5, 1, 5)
    assert row["difference"] == pytest.approx(sum(differences) / 5)
    assert row["difference_half"] == pytest.approx(stats.t.ppf(0.975, 4) * stats.sem(differences))


def test_shuffled_rows_change_nothing(tables: Tables) -> None:
    before = results_table(tables)
    path = tables.store.table("results")
    shuffled = pq.read_table(path).to_pandas().sample(frac=1, random_state=1)
    shuffled.to_parquet(path)
    after = results_table(Tables(tables.store))
    keys = ["dataset", "regularizer"]
    pd.testing.assert_frame_equal(
        before.sort_values(keys).reset_index(drop=True), after.sort_values(keys).reset_index(drop=True)
    )


def test_the_baseline_has_no_difference(tables: Tables) -> None:
    row = row_of(results_table(tables), "none")
    assert math.isnan(row["difference"])
    assert row["n_pairs"] == 0


def test_sizes_of_training_sets_stay_whole_numbers(make_store: MakeStore) -> None:
    """`per_class: [20, null]` became 20.0."""
    store = make_store(per_class=20)
    collect(store)
    select(store)
    frame = results_table(Tables(store))
    frame.loc[0, "per_class"] = None
    write(frame, store)
    text = (store.tables / "results_table.csv").read_text()
    assert ",20," in text
    assert "20.0" not in text


def test_every_row_says_its_rule(tables: Tables) -> None:
    assert results_table(tables)["rule"].str.contains("validation accuracy over the tune seeds").all()


def test_written_files(tables: Tables) -> None:
    frame = results_table(tables)
    write(frame, tables.store)
    read = pd.read_csv(tables.store.tables / "results_table.csv")
    assert read["test_accuracy"].tolist() == frame["test_accuracy"].tolist()
    lines = (tables.store.tables / "results_table.tex").read_text().splitlines()
    assert lines[0].startswith(
        "% description, nothing is concluded: mean over n seeds ± half its 95% t-interval"
    )
    assert lines[1] == r"\begin{tabular}{llrrrrrr}"


def test_latex_escapes_and_marks_none_as_best_where_nothing_is_concluded(make_store: MakeStore) -> None:
    store = make_store(
        datasets=["my_data"], strengths={"none": [""], "l2_&_dropout": ["l2=0.1 dropout=0.5"]}, tune=()
    )
    collect(store)
    text = to_latex(results_table(Tables(store)))
    assert r"\emph{my\_data (lenet5)}" in text
    assert r"l2\_\&\_dropout & l2=0.1 dropout=0.5 &" in text
    assert r"\mathbf" not in text


def test_terminal(tables: Tables) -> None:
    out = io.StringIO()
    Console(file=out, width=100).print(to_terminal(results_table(tables)))
    lines = out.getvalue().splitlines()
    assert "MNIST (lenet5)" in "\n".join(lines)
    row = row_of(results_table(tables), "dropout", "cifar10")
    line = next(line for line in lines if "Dropout" in line)
    assert f"{row['test_accuracy']:.1f} ± " in line


@pytest.mark.parametrize("width", [50, 80, 120])
def test_no_value_is_lost_on_a_narrow_terminal(tables: Tables, width: int) -> None:
    wide, narrow = io.StringIO(), io.StringIO()
    for out, columns in ((wide, 500), (narrow, width)):
        Console(file=out, width=columns).print(to_terminal(results_table(tables)))
    assert max(len(line) for line in narrow.getvalue().splitlines()) <= width
    table = wide.getvalue().partition("description")[0].splitlines()
    fits = max(len(line.rstrip()) for line in table) <= width
    assert ("continued" in narrow.getvalue()) != fits
    words = set(wide.getvalue().replace(",", " ").split())
    assert words <= {*narrow.getvalue().replace(",", " ").split()}


def test_strengths_are_contenders_of_their_own_without_tuning(make_store: MakeStore) -> None:
    store = make_store(tune=())
    collect(store)
    frame = results_table(Tables(store))
    assert frame["strength"].tolist() == [
        "",
        "1e-05",
        "0.0005",
        "0.01",
        "l1=1e-05 l2=0.0001",
        "l1=0.0001 l2=0.0001",
        "0.1",
        "0.3",
        "0.5",
    ]
