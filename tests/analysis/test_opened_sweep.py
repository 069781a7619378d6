"""A sweep from Python: docs/python-api.md as a notebook, and what each frame holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import analysis
from analysis.figures.catalogue import FIGURES
from analysis.figures.draw_figures import Look, draw_all
from analysis.statistics import looks
from analysis.statistics.comparison_table import compare
from analysis.statistics.strength_selection import select
from analysis.tables.collect import collect
from analysis.tables.store_tables import Tables
from regularize.errors import UserError
from regularize.store import Store, read_json
from tests.analysis.trained import runs_of, store_of

PAGE = (Path(__file__).parents[2] / "docs" / "python-api.md").read_text()
DIVERGED = [("mnist", "dropout", "0.3", 1001)]
Make = Callable[..., Store]


def chosen(store: Store) -> Store:
    """The store once strengths were chosen, as between the phases."""
    collect(store)
    select(store)
    return store


@pytest.fixture(scope="module")
def store(make_module_store: Make) -> Store:
    return chosen(make_module_store(datasets=["mnist", "digits"], diverged=DIVERGED))


def test_the_page_runs_as_a_notebook(
    make_store: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what its lines leave behind being what `compare` says."""
    store = chosen(make_store("results/demo", datasets=["digits"]))
    monkeypatch.chdir(tmp_path)
    matplotlib.use("agg")
    names: dict[str, object] = {}
    for cell in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(cell, names)
    means = names["means"]
    assert isinstance(means, pd.Series)
    table = compare(Tables(store)).set_index("regularizer")["mean"] / 100
    pd.testing.assert_series_equal(means["digits"], table.sort_index(), check_names=False, rtol=1e-12)
    assert (tmp_path / "mine.pdf").stat().st_size > 5000
    assert (tmp_path / "by-epoch.pdf").stat().st_size > 5000
    assert (tmp_path / "few.pdf").stat().st_size > 5000
    assert isinstance(names["accuracy"], pd.Series)


def test_runs_and_results_are_those_of_a_phase_at_chosen_strengths(store: Store) -> None:
    sweep = analysis.open(store.folder)
    assert set(sweep.runs["state"]) == {"done", "diverged"}
    report, tune = sweep.results(), sweep.results("tune")
    assert set(report["phase"]) == {"report"}
    assert report.groupby(["dataset", "regularizer"])["strength"].nunique().max() == 1
    assert set(tune["phase"]) == {"tune"}
    assert not set(tune["seed"]) & set(report["seed"])
    assert (report["state"] == "diverged").sum() == 1
    assert len(sweep.runs) == len(report) + len(tune)
    with pytest.raises(UserError, match="unknown phase 'final'; one of: report, tune"):
        sweep.results("final")  # type: ignore[arg-type]


def test_final_rows_are_one_a_run_and_split_and_end_with_the_results(store: Store) -> None:
    sweep = analysis.open(store.folder)
    final, curves = sweep.metrics(final=True), sweep.metrics()
    assert len(final) == 3 * final["run_id"].nunique()
    assert len(curves) == 5 * len(final)
    assert (final["step"] == curves["step"].max()).all()
    results = sweep.results().query("state == 'done'").set_index("run_id")
    test = final[final["split"] == "test"].set_index("run_id")
    assert set(test.index) == set(results.index)
    np.testing.assert_array_equal(test["accuracy"], results.loc[test.index, "test_accuracy"])
    assert set(sweep.metrics("tune")["phase"]) == {"tune"}


def test_every_table_and_statistic_is_a_frame(store: Store) -> None:
    sweep = analysis.open(str(store.folder), region="5%")
    assert len(sweep.problems) == 2
    assert sweep.baseline == "none"
    for name in ("predictions", "spectra", "robustness", "corruptions"):
        rows = getattr(sweep, name)()
        assert set(rows["phase"]) == {"report"}, name
        assert set(rows["dataset"]) == {"mnist", "digits"}, name
    pd.testing.assert_frame_equal(sweep.comparison(), compare(Tables(store, sweep.tables.region)))
    assert set(sweep.across("test_loss")["problems"]) == {2}
    assert sweep.sensitivity()["regularizer"].nunique() == 4
    assert set(sweep.results_table()["regularizer"]) == {"none", "l2", "elastic_net", "dropout"}
    selection = sweep.selection()
    assert selection is not None
    selection["chosen"] = False
    assert sweep.tables.selection is not None
    assert sweep.tables.selection["chosen"].any(), "a frame that is given away is a copy"
    assert repr(sweep).endswith("runs finished>")


@pytest.mark.parametrize("name", [name for name, kind in FIGURES.items() if kind.needs == "tables"])
def test_every_figure_is_matplotlibs(name: str, store: Store) -> None:
    figure = analysis.open(store.folder).figure(name, dataset="mnist")
    assert isinstance(figure, Figure)
    assert figure.axes


def test_a_figure_shows_what_it_is_asked_for_as_the_command_does(store: Store) -> None:
    sweep = analysis.open(store.folder)
    two: dict[str, Any] = {"techniques": ["l2", "dropout"], "datasets": "mnist"}  # a single name, or several
    few = sweep.figure("spectra", **two, width="neurips")
    look = Look(techniques=("l2", "dropout"), datasets=("mnist",), width=5.5)
    draw_all(store, ["spectra"], look=look)
    caption = read_json(store.figures / "spectra-mnist-lenet5.json")["caption"]
    (drawn,) = sweep.drawings("spectra", **two, width=5.5)
    assert drawn.caption == caption
    assert (few.get_figwidth(), drawn.figure.get_figwidth()) == (5.5, 5.5)
    assert len(few.axes) < len(sweep.figure("spectra", dataset="mnist").axes)
    one, both = (sweep.drawings("forest", datasets=names)[0].data for names in (["digits"], ()))
    assert set(one["dataset"]) < set(both["dataset"])
    for options, said in {
        "techniques": "unknown entry 'x'; one of: dropout, elastic_net, l2, none",
        "datasets": "unknown data set 'x'; one of: digits, mnist",
        "width": "unknown width 'x'; one of: .*; or inches from 3 to 12",
    }.items():
        with pytest.raises(UserError, match=said):
            sweep.figure("forest", **{options: "x"})  # type: ignore[arg-type]


def test_a_figure_of_networks_is_one_too(tmp_path: Path) -> None:
    runs = runs_of()
    store = store_of(tmp_path / "sweep", [run for run in runs if run.regularizer != "dropout"])
    sweep = analysis.open(store.folder, data_root=tmp_path)
    assert sweep.selection() is None
    assert sweep.figure("weight_distributions").axes
    assert sweep.figure("saliency", run_id=runs[0].run_id).axes


def test_what_cannot_be_is_said_in_a_line(store: Store, tmp_path: Path) -> None:
    sweep = analysis.open(store.folder)
    for wrong, said in {
        "heatmap": r"unknown figure 'heatmap'; one of: ",
        "loss_gap": r"loss_gap takes 2 figures here \(loss_gap-digits-lenet5, loss_gap-mnist-lenet5\)",
    }.items():
        with pytest.raises(UserError, match=said):
            sweep.figure(wrong)
    with pytest.raises(UserError, match=r"no report run of \{'dataset': 'svhn'\} is finished; one of: "):
        sweep.figure("loss_gap", dataset="svhn")
    with pytest.raises(UserError, match="unknown metric"):
        sweep.comparison("speed")
    (tmp_path / "sweep.yaml").touch()
    with pytest.raises(UserError, match=r"sweep\.yaml is a file: name the sweep's folder"):
        analysis.open(tmp_path / "sweep.yaml")
    with pytest.raises(UserError, match="is not there"):
        analysis.open(tmp_path / "nowhere")


def test_opening_is_a_look(make_store: Make) -> None:
    store = chosen(make_store())
    analysis.open(store.folder)
    assert len(looks.read(store)) == 1
    analysis.open(store.folder)
    assert len(looks.read(store)) == 1
