from __future__ import annotations

from itertools import pairwise, product

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis.figures.parts.strength_axis import place, set_axis


@pytest.mark.parametrize(
    ("strengths", "shown"),
    [
        ([0.1, 0.3, 0.5, 0.7], ["0.1", "0.3", "0.5", "0.7"]),
        ([2e-5, 1e-4, 5e-4, 2e-3], ["2×10⁻⁵", "10⁻⁴", "2×10⁻³"]),
        ([1.25e-5, 3.75e-3], ["1.25×10⁻⁵", "3.75×10⁻³"]),
        ([2e-4, 1e-3, 5e-3, 2e-2, 8e-2], ["2×10⁻⁴", "5×10⁻³", "0.08"]),
        ([0.5, 0.6, 0.7, 0.8, 0.9, 1.9], ["0.5", "0.9", "1.9"]),
        ([0.01], ["0.01"]),
    ],
)
def test_labels_of_strengths_do_not_meet(strengths: list[float], shown: list[str]) -> None:
    figure = Figure(figsize=(1.4, 1))
    axes = figure.subplots()
    axes.plot(strengths, strengths)
    set_axis(axes, pd.DataFrame({"x": strengths}))
    axes.tick_params(labelsize=7)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    labels = axes.get_xticklabels()
    assert [label.get_text() for label in labels] == shown
    boxes = [label.get_window_extent(renderer) for label in labels]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_each_number_of_several_has_an_axis_along_which_the_others_stay() -> None:
    """Elastic net with a learning rate that is tuned, best at l1 = 0.1, l2 = 0.5 and lr = 0.2."""
    grid = list(product((0.01, 0.1, 1.0), (0.5, 0.7), (0.1, 0.2), (3.0,)))
    strengths = [f"l1={a:g} l2={b:g} lr={c:g} momentum={d:g}" for a, b, c, d in grid]
    shortfalls = [0.0 if point[:3] == (0.1, 0.5, 0.2) else 1.0 for point in grid]
    rows = _rows("elastic_net", strengths, shortfalls)
    placed = place(rows)
    assert placed["axis"].drop_duplicates().tolist() == ["l1", "l2", "lr"]
    assert placed["axis"].value_counts().to_dict() == {"l1": 12, "l2": 12, "lr": 12}
    profiles = placed[placed["at"]].groupby("axis")["x"].apply(list).to_dict()
    assert profiles == {"l1": [0.01, 0.1, 1.0], "l2": [0.5, 0.7], "lr": [0.1, 0.2]}
    along_rate = placed[(placed["axis"] == "lr") & placed["at"]]
    assert along_rate["line"].unique().tolist() == ["l1 = 0.1, l2 = 0.5"]


def test_a_strength_beside_a_rate_is_called_as_in_formulas() -> None:
    strengths = [f"strength={a} lr={b}" for a, b in product((0.1, 1), (0.01, 0.02, 0.05))]
    rows = _rows("l2", strengths, [0.0, 1, 1, 1, 1, 1])
    assert place(rows)["axis"].drop_duplicates().tolist() == ["λ", "lr"]
    alone = _rows("l2", ["0.1", "1"], [0.0, 1.0])
    assert place(alone)[["axis", "line", "at"]].drop_duplicates().to_numpy().tolist()[0][:2] == ["λ", ""]
    none = _rows("none", ["lr=0.1", "lr=1"], [0.0, 1.0])
    assert place(none)["axis"].unique().tolist() == ["lr"]


@pytest.mark.parametrize("chooses", [True, False])
def test_the_line_is_through_the_setting_chosen_and_not_through_one_that_scores_as_well(
    chooses: bool,
) -> None:
    """Of hard SVB the wider band is the weaker one, and comes last."""
    strengths = [f"epsilon={a} lr={b}" for a, b in product((0.1, 0.5), (0.01, 0.02))]
    rows = _rows("hard_svb", strengths, [0.0, 1.0, 1.0, 0.0])
    best = rows["strength"] == "epsilon=0.5 lr=0.02"
    placed = place(rows.assign(chosen=best & chooses, p_worse=[0.5, 0.1, 0.1, None]))
    profiles = placed[placed["at"]].groupby("axis")["line"].unique().map(list)
    assert [lines for (lines,) in profiles] == ["ε = 0.5", "lr = 0.02"]


def _rows(regularizer: str, strengths: list[str], shortfalls: list[float]) -> pd.DataFrame:
    best = [shortfall == 0 for shortfall in shortfalls]
    columns = {"strength": strengths, "shortfall": shortfalls, "chosen": best, "p_worse": None}
    return pd.DataFrame({"regularizer": regularizer, **columns})
