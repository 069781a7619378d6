from __future__ import annotations

from itertools import pairwise

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis.figures.parts.strength_axis import set_axis


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
