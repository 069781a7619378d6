"""Published beside measured, on a synthetic store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from analysis.notation.intervals import interval
from analysis.published import measured_beside
from analysis.published.measured_beside import compare, notes, order_line, to_markdown, to_terminal
from analysis.published.references import (
    CONFIRMED,
    REFERENCES,
    ROUGH,
    UNVERIFIED,
    Column,
    Reference,
)
from analysis.tables.collect import collect
from analysis.tables.store_tables import Tables
from regularize.regularizers import REGULARIZERS
from regularize.store import RESULTS, RUNS, Store, write_table

REFERENCE = Reference(
    source="a paper",
    columns=(
        Column(title="accuracy", dataset="mnist", published={"l2": (98.1, 0.2)}, status=UNVERIFIED),
        Column(
            title="norm",
            dataset="mnist",
            measure="jacobian_norm",
            published={"none": (30.0, 3.0), "l2": (4.6, 0.25)},
            status=CONFIRMED,
        ),
        Column(title="attacked", dataset="mnist", attack=("fgsm", 0.1)),
        Column(title="elsewhere", dataset="cifar10", published={"l2": (60.0, 1.0)}, status=ROUGH),
    ),
    ordered="norm",
    ascending=("l2", "dropout", "none"),
)
NORMS = {"none": 30.0, "dropout": 20.0, "l2": 5.0, "elastic_net": 4.0}


def with_norms(store: Store, norms: dict[str, float], spread: float = 0.1) -> Store:
    """The store with Jacobian norms: a mean for each regularizer, the seeds around it."""
    runs = {run["run_id"]: run for run in pq.read_table(store.runs).to_pylist()}
    for path in store.packs.glob("*/results.parquet"):
        rows = pq.read_table(path).to_pylist()
        for row in rows:
            run = runs[row["run_id"]]
            row["jacobian_norm"] = norms[run["regularizer"]] + spread * (run["seed"] % 5 - 2)
        write_table(path, rows, RESULTS)
    return store


@pytest.fixture
def store(make_store: Callable[..., Store]) -> Store:
    return with_norms(
        make_store(tune=(), strengths={name: ["0.01"] for name in NORMS} | {"none": [""]}), NORMS
    )


def compared(store: Store) -> pd.DataFrame:
    collect(store)
    return compare(Tables(store), REFERENCE)


def row(frame: pd.DataFrame, column: str, regularizer: str) -> pd.Series:
    (found,) = (
        frame.loc[i]
        for i in frame.index
        if tuple(frame.loc[i, ["column", "regularizer"]]) == (column, regularizer)
    )
    return found


def test_measured_numbers_are_means_over_seeds_with_t_intervals(store: Store) -> None:
    frame = compared(store)
    assert set(frame["column"]) == {"accuracy", "norm", "attacked"}, "cifar10 was not run"
    results = Tables(store).results
    expected = interval(100 * results.loc[results["regularizer"] == "l2", "test_accuracy"])
    found = row(frame, "accuracy", "l2")
    assert (found["n"], found["measured"], found["measured_half"]) == (5, expected.mean, expected.half)
    assert (found["published"], found["published_half"], found["published_is"]) == (98.1, 0.2, "unverified")
    assert found["difference"] == pytest.approx(expected.mean - 98.1)
    assert row(frame, "norm", "none")["measured"] == pytest.approx(30)
    assert row(frame, "attacked", "dropout")["measured"] == pytest.approx(80)  # 0.9 - 0.1, see conftest
    assert np.isnan(row(frame, "norm", "dropout")["published"])


def test_both_are_shown_and_what_the_published_ones_are_worth(store: Store) -> None:
    frame = compared(store)
    console = Console(width=100, record=True, color_system=None)
    console.print(to_terminal(frame))
    text = console.export_text()
    markdown = to_markdown(frame)
    for shown in (text, markdown):
        assert "5.0 ± 0.2" in shown
        assert "4.60 ± 0.25" in shown
        assert "98.1 ± 0.2" in shown
        assert "unverified" in shown
    status = markdown.splitlines()[-1]
    assert status == "| *published are* | *unverified* | *means confirmed* |  |"
    assert len({line.count("|") for line in markdown.splitlines()}) == 1


def test_the_notes_say_what_published_numbers_are_worth_and_what_has_none(
    make_store: Callable[..., Store],
) -> None:
    store = make_store(tune=(), datasets=("mnist", "images"), strengths={"none": [""], "l2": ["0.01"]})
    frame = compared(with_norms(store, NORMS))
    measured, published, without = notes(frame, REFERENCE, Tables(store))
    assert "95% t-intervals" in measured
    assert published.startswith("Published: a paper; means confirmed: notes on the source quote the means")
    assert "unverified: recalled" in published
    assert "rough" not in published, "cifar10 was not run"
    assert without == "Without published numbers, and so not here: images (see `regularize compare`)."


def test_nothing_is_left_out_on_a_narrow_terminal(store: Store) -> None:
    frame = compared(store)
    for width in (80, 40):
        console = Console(width=width, record=True, color_system=None)
        console.print(to_terminal(frame))
        assert "…" not in console.export_text()


@pytest.mark.parametrize(
    ("norms", "spread", "verdict"),
    [
        (NORMS, 0.1, "norm: L2 5 < Dropout 20 < None 30; the published order, all intervals apart"),
        (NORMS, 10, "norm: L2 5 < Dropout 20 < None 30; the published order, "
         "intervals not apart: L2 and Dropout, Dropout and None"),
        (NORMS | {"l2": 25.0}, 0.1,
         "norm: Dropout 20 < L2 25 < None 30; not the published order, L2 < Dropout < None"),
    ],
)  # fmt: skip
def test_the_published_order_is_checked(
    store: Store, norms: dict[str, float], spread: float, verdict: str
) -> None:
    assert order_line(compared(with_norms(store, norms, spread)), REFERENCE) == verdict


def test_a_single_seed_has_no_intervals_to_be_apart(make_store: Callable[..., Store]) -> None:
    strengths = {name: ["0.01"] for name in NORMS} | {"none": [""]}
    store = with_norms(make_store(tune=(), report=[1002], strengths=strengths), NORMS)
    assert order_line(compared(store), REFERENCE) == (
        "norm: L2 5 < Dropout 20 < None 30; the published order, one seed and so no intervals"
    )


def test_an_order_of_what_was_not_measured_is_not_judged(make_store: Callable[..., Store]) -> None:
    store = with_norms(make_store(tune=(), strengths={"none": [""], "l2": ["0.01"]}), NORMS)
    assert order_line(compared(store), REFERENCE) == ""


def test_diverged_runs_are_counted_and_shown(make_store: Callable[..., Store]) -> None:
    strengths = {"none": [""], "l2": ["0.01"]}
    store = make_store(tune=(), strengths=strengths, diverged=[("mnist", "l2", "0.01", 1000)])
    frame = compared(with_norms(store, NORMS))
    found = row(frame, "accuracy", "l2")
    assert (found["n"], found["n_diverged"]) == (4, 1)
    assert "(1 diverged)" in to_markdown(frame)


def test_tables_are_written_with_all_digits_and_notes(store: Store) -> None:
    frame = compared(store)
    measured_beside.write(frame, ["one note", "another"], store)
    read = pd.read_csv(store.tables / "reproduction.csv")
    assert read["measured"].tolist() == frame["measured"].tolist()
    assert (store.tables / "reproduction.md").read_text().startswith("one note\n\nanother\n\n| ")


def test_published_numbers_speak_of_known_regularizers_and_all_have_a_status() -> None:
    for reference in REFERENCES.values():
        titles = [column.title for column in reference.columns]
        assert len(titles) == len(set(titles))
        assert not reference.ordered or reference.ordered in titles
        for column in reference.columns:
            assert column.published.keys() <= {*REGULARIZERS, "all_three"}
            assert bool(column.status) == bool(column.published)


def test_columns_that_were_recalled_and_not_read_are_unverified() -> None:
    status = {column.title: column.status for column in REFERENCES["hoffman2019-table"].columns}
    assert status == {
        **{f"{few} per class": UNVERIFIED for few in (1, 3, 10, 30)},
        "all": CONFIRMED,
        "‖J‖, all": CONFIRMED,
    }


def test_errors_are_what_accuracies_leave_and_several_networks_are_several_columns(store: Store) -> None:
    table = pq.read_table(store.runs).to_pylist()
    moved = [run | {"model": "mlp lr=0.1"} if run["seed"] % 2 else run for run in table]
    write_table(store.runs, moved, RUNS)
    collect(store)
    tables = Tables(store)
    frame = compare(tables, replace(REFERENCES["pereyra2017-table1"], ascending=()))
    assert set(frame["column"]) == {"test error, lenet5", "test error, mlp, lr 0.1"}
    results = tables.results
    mine = results[(results["model"] == "mlp lr=0.1") & (results["regularizer"] == "dropout")]
    found = row(frame, "test error, mlp, lr 0.1", "dropout")
    assert found["measured"] == pytest.approx(100 - 100 * mine["test_accuracy"].mean())
    assert (found["published"], found["published_half"], found["published_is"]) == (1.28, 0.06, "read")
    assert "1.28 ± 0.06" in to_markdown(frame)
