"""The forest plot of scores other than accuracy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle

from analysis.figures import catalogue
from analysis.figures.draw_figures import draw_all
from analysis.figures.parts.forest_panels import _intervals
from analysis.figures.parts.subject import subjects, together
from analysis.statistics.scores import score as score_of
from analysis.tables.collect import collect
from analysis.tables.store_tables import Tables
from regularize.errors import UserError
from regularize.store import Store

MakeStore = Callable[..., Store]


def compared(make_store: MakeStore) -> Store:
    strengths = {"none": [""], "l1": ["0.1"], "l2": ["0.1"]}
    store = make_store(strengths=strengths, tune=(), report=range(1000, 1010))
    collect(store)
    return store


def test_a_forest_has_its_units_and_says_which_way_is_better(make_store: MakeStore) -> None:
    (subject,) = subjects(Tables(compared(make_store)))
    results = subject.comparison.tables.results
    results["jacobian_norm"] = 10 / (1 + 9 * (results["regularizer"] != "none")) + results["seed"] / 1e4
    results["sparsity"] = 0.5 * (results["regularizer"] == "l1")
    found = {}
    for score in ("test_accuracy", "test_loss", "jacobian_norm", "sparsity", "fgsm:0.1"):
        (drawing,) = catalogue.draw("forest", replace(together([subject]), score=score))
        found[score] = drawing
        (axes,) = drawing.figure.axes
        legend = [text.get_text() for text in drawing.figure.legends[0].get_texts()]
        assert ("practically equivalent" in legend) == (score == "test_accuracy")
        assert len(axes.patches) == (score == "test_accuracy")
        assert axes.get_xscale() == ("log" if score == "jacobian_norm" else "linear")
    labels = {score: " ".join(each.figure.get_supxlabel().split()) for score, each in found.items()}
    assert labels == {
        "test_accuracy": "Difference in test accuracy to no regularizer (percentage points) better →",
        "test_loss": "Difference in test loss to no regularizer (nats) ← better",
        "jacobian_norm": "Frobenius norm of ∂z/∂x, ratio to no regularizer ← less sensitive",
        "sparsity": "Difference in share of weights that are 0 to no regularizer (percentage points) "
        "sparser →",
        "fgsm:0.1": "Difference in accuracy under FGSM (ε = 0.1) to no regularizer (percentage points) "
        "better →",
    }
    suffixes = ("", "-test_loss", "-jacobian_norm", "-sparsity", "-fgsm-0.1")
    assert [each.name for each in found.values()] == [f"forest{suffix}" for suffix in suffixes]
    low, high = found["jacobian_norm"].figure.axes[0].get_xlim()
    assert 0 < low < 0.2 < 1 <= high
    assert "L1 (λ = 0.1) is the lowest" not in found["sparsity"].summary
    assert "L1 (λ = 0.1) +50.00 ± 0.00 pp is the highest" in found["sparsity"].summary


def test_a_forest_of_what_was_not_measured_is_missing_with_its_reason(make_store: MakeStore) -> None:
    store = compared(make_store)
    drawn = draw_all(store, ["forest"], scores=["test_brier", "pgd:0.1", "test_loss"])
    assert [path.stem for path in drawn.paths] == ["forest-test_loss"]
    assert drawn.missing == {
        "forest-test_brier": "no run has a Brier score: it was not measured",
        "forest-pgd-0.1": "no run was measured with pgd of size 0.1; sizes of pgd: none",
    }
    with pytest.raises(UserError, match="unknown metric 'brier'"):
        draw_all(store, ["forest"], scores=["brier"])


def test_a_caret_of_an_interval_that_goes_on_touches_no_label() -> None:
    axes = Figure().subplots()
    axes.set_xlim(-1, 1)
    row = {"regularizer": "l2", "difference": 0.0, "difference_family_half": 5.0}
    _intervals(axes, pd.DataFrame([row]), [0], score_of("test_accuracy"))
    shapes = [MarkerStyle(line.get_marker()) for line in axes.lines]
    left, right = (shape.get_path().transformed(shape.get_transform()).get_extents() for shape in shapes)
    assert [line.get_xdata()[0] for line in axes.lines] == [-1, 1]
    assert left.x0 >= 0, "it lies in the axes, and labels outside"
    assert right.x1 <= 0
