"""Stores that no study plans and every study has some day."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.figures.draw_figures import draw_all
from analysis.statistics.comparison_table import compare
from analysis.statistics.strength_selection import select
from analysis.tables.collect import collect
from analysis.tables.store_tables import Tables
from jobs.commands.cli import main
from regularize.schemas import METRICS, RESULTS
from regularize.store import PackPaths, Store, write_table

MakeStore = Callable[..., Store]
STRENGTHS = {"none": [""], "l2": ["0.1", "0.2"]}


def edit(
    store: Store, table: str, schema: pa.Schema, change: Callable[[dict[str, Any]], Mapping[str, Any]]
) -> None:
    """Change rows of all packs."""
    for folder in store.packs.iterdir():
        path = getattr(PackPaths(folder), table)
        rows = pq.read_table(path, partitioning=None).to_pylist()
        write_table(path, [row | change(row) for row in rows], schema)
    collect(store)


def test_a_loss_that_is_infinite_in_between_is_a_gap(make_store: MakeStore) -> None:
    store = make_store(strengths=STRENGTHS, tune=(), report=(1, 2), epochs=3)

    def change(row: dict[str, Any]) -> Mapping[str, Any]:
        if row["epoch"] == 2:
            return {"loss": math.inf if row["split"] == "test" else math.nan}
        return {}

    edit(store, "metrics", METRICS, change)
    drawn = draw_all(store, ["loss_curves", "loss_gap", "accuracy_curves"])
    assert drawn.missing == {}
    edit(store, "metrics", METRICS, lambda row: {"loss": math.inf})
    drawn = draw_all(store, ["loss_curves", "accuracy_curves"])
    assert drawn.missing == {"loss_curves-mnist-lenet5": "no value is finite on every seed"}


def test_an_infinite_loss_at_the_end_is_neither_dropped_nor_compared(
    make_store: MakeStore, capsys: pytest.CaptureFixture[str]
) -> None:
    store = make_store(strengths=STRENGTHS, tune=(), report=range(1, 8), epochs=2)
    run = pq.read_table(store.runs).to_pylist()[-1]
    assert run["regularizer"] == "l2"
    edit(
        store,
        "results",
        RESULTS,
        lambda row: {"test_loss": math.inf} if row["run_id"] == run["run_id"] else {},
    )
    rows = compare(Tables(store), "test_loss")
    assert rows["mean"].tolist()[2] == math.inf
    assert rows["refused"].dropna().tolist() == ["it is infinite on 1 of 7 seeds"]
    assert rows["difference"].isna().tolist() == [True, False, True]
    assert main(["compare", str(store.folder), "--metric", "test_loss"]) == 0
    assert "∞" in capsys.readouterr().out
    assert main(["report", str(store.folder), "--tables-only"]) == 0
    page = store.report.read_text(encoding="utf-8")
    assert "∞" in page
    assert "infinite on 1 of 7 seeds" in page


def test_where_every_run_diverged_the_page_says_so(make_store: MakeStore) -> None:
    cells = [("none", ""), ("l2", "0.1"), ("l2", "0.2")]
    diverged = [("mnist", *cell, seed) for cell in cells for seed in (1, 2)]
    store = make_store(strengths=STRENGTHS, tune=(), report=(1, 2), epochs=2, diverged=diverged)
    assert main(["report", str(store.folder), "--tables-only"]) == 0
    page = store.report.read_text(encoding="utf-8")
    assert "0 done, 6 diverged" in page
    assert "Nothing is concluded on test accuracy." in page
    assert "<code>strength_sensitivity-mnist-lenet5</code>: every run diverged" in page
    assert "<img" not in page


def test_a_study_whose_report_runs_have_begun(make_store: MakeStore) -> None:
    store = make_store(strengths=STRENGTHS, report=(1000, 1001), epochs=2)
    results = {folder: pq.read_table(store.pack(folder.name).results) for folder in store.packs.iterdir()}
    runs = {row["run_id"]: row for row in pq.read_table(store.runs).to_pylist()}
    collect(store)
    select(store)
    for folder, table in results.items():
        found = [runs[run_id] for run_id in table["run_id"].to_pylist()]
        if all(run["phase"] == "report" and run["regularizer"] == "l2" for run in found):
            store.pack(folder.name).results.unlink()
    collect(store)
    drawn = draw_all(store, ["strength_sensitivity", "forest", "accuracy_curves"], scores=["test_loss"])
    assert [path.stem for path in drawn.paths] == ["accuracy_curves-mnist-lenet5"]
    assert drawn.missing == {
        "strength_sensitivity-mnist-lenet5": "no regularizer has a finished report run yet",
        "forest-test_loss": "nothing can be compared with 'none': there is no regularizer to compare with",
    }


def test_names_that_are_markup_or_formulas_stay_names(make_store: MakeStore) -> None:
    hostile = r"l2_$x\frac<i>&ü"
    store = make_store(
        strengths={"none": [""], hostile: ["l2.strength=0.1"]}, tune=(), report=(1, 2), epochs=2
    )
    assert main(["report", str(store.folder), "--tables-only"]) == 0
    page = store.report.read_text(encoding="utf-8")
    assert "<i>" not in page
    assert r"l2_$x\frac&lt;i&gt;&amp;ü" in page
    assert r"l2\_\$x\textbackslash{}frac<i>\&ü" in (store.tables / "comparison.tex").read_text(
        encoding="utf-8"
    )
