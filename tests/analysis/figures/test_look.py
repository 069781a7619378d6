"""What figures show and how large, by choice: entries, data sets, the page's width, SVG."""

from __future__ import annotations

import re
from collections.abc import Callable

import pandas as pd
import pytest

from analysis.figures.draw_figures import Look, draw_all
from analysis.figures.parts.style import WIDTHS, read_width
from analysis.statistics.comparison_table import compare
from analysis.statistics.strength_selection import select
from analysis.tables.collect import collect
from analysis.tables.store_tables import Tables
from regularize.errors import UserError
from regularize.store import Store

ENTRIES = {"dropout": ["0.1", "0.3"], "none": [""], "l2": ["0.01", "0.1"], "l1": ["1e-05", "0.1"]}


@pytest.fixture(scope="module")
def store(make_module_store: Callable[..., Store]) -> Store:
    made = make_module_store(datasets=("digits", "mnist"), strengths=ENTRIES, report=range(1000, 1010))
    collect(made)
    select(made)
    return made


def test_some_entries_and_data_sets_are_shown_with_the_statistics_of_all(store: Store) -> None:
    look = Look(techniques=("l2",), datasets=("mnist",), width=WIDTHS["neurips"], svg=True)
    drawn = draw_all(store, ["forest", "accuracy_curves"], scores=["test_accuracy"], look=look)
    assert not drawn.missing
    assert {path.name for path in drawn.paths} == {"forest.pdf", "accuracy_curves-mnist-lenet5.pdf"}
    rows = pd.read_csv(store.figures / "forest.csv")
    whole = compare(Tables(store)).query("dataset == 'mnist' and regularizer == 'l2'")
    assert rows["regularizer"].unique().tolist() == ["l2"]
    assert rows["p_holm"].tolist() == pytest.approx(whole["p_holm"].tolist())
    assert (rows["comparisons"] == 3).all(), "none was left out because of what it showed"
    svg = {path: path.read_bytes() for path in store.figures.glob("*.svg")}
    assert len(svg) == 2
    draw_all(store, ["forest", "accuracy_curves"], scores=["test_accuracy"], look=look)
    assert all(path.read_bytes() == content for path, content in svg.items())


@pytest.mark.parametrize("width", ["one-column", "icml", "ieee"])
def test_figures_are_as_wide_as_the_page_at_most(store: Store, width: str) -> None:
    look = Look(datasets=("mnist",), width=read_width(width))
    drawn = draw_all(store, ["loss_curves", "forest", "spectra"], scores=["test_accuracy"], look=look)
    for path in drawn.paths:
        box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ", path.read_bytes())
        assert box
        assert float(box[1]) <= 72 * WIDTHS[width] + 1e-3
    whole = {"spectra-mnist-lenet5": "it needs 5 inches, so that its text is 7 pt and does not meet"}
    assert drawn.missing.keys() == (whole.keys() if width == "one-column" else set())
    assert all(whole[name] in reason for name, reason in drawn.missing.items())


def test_entries_keep_the_order_of_the_sweep(store: Store) -> None:
    frame = compare(Tables(store))
    assert frame["regularizer"].tolist() == 2 * ["none", "dropout", "l2", "l1"]


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (Look(techniques=("l3",)), "unknown entry 'l3'; one of: "),
        (Look(datasets=("svhn",)), "unknown data set 'svhn'; one of: digits, mnist"),
    ],
)
def test_names_have_to_be_known(store: Store, look: Look, words: str) -> None:
    with pytest.raises(UserError, match=words):
        draw_all(store, ["forest"], look=look)


@pytest.mark.parametrize(("text", "words"), [("wide", "unknown width 'wide'"), ("2", "from 3 to 12 inches")])
def test_widths_have_to_be_known(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        read_width(text)
    assert read_width("5.5") == read_width("neurips") == 5.5
