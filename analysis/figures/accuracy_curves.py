"""Test accuracy by epoch."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.parts.bands import SHARES, share_ends
from analysis.figures.parts.curve_figure import CurveFigure, Plot
from analysis.figures.parts.learning_curves import LOG_ERROR, by_split, curves, limits
from analysis.statistics.contenders import Comparison
from analysis.statistics.scores import SCORES

_LOG_FROM = 90
_TICKS = (0, 50, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9)
_MORE_TICKS = (0, 50, 60, 70, 80, 85, 90, 92, 94, 96, 97, 98, 98.5, 99, 99.2, 99.5, 99.7, 99.8, 99.9)


def plot(comparison: Comparison) -> Plot:
    """Above 90% the axis is logarithmic in the error: 98% to 99% is half the errors, not a hair."""
    rows = by_split(comparison, "test")
    data = curves(rows.assign(percent=100 * rows["accuracy"]), "percent")
    ends = share_ends(data["mean"], data["mean"] - data["low"])
    data = data.assign(low=ends[0], high=ends[1])
    # The climb of the first quarter would flatten what the figure is drawn for.
    late = data[data["epoch"] >= data["epoch"].max() / 4]
    note = f" The first quarter of the training may begin below the axis; {SHARES}."
    if data["mean"].max() > _LOG_FROM:
        note += " The axis is logarithmic in the error."
        return Plot(data, lambda axes: _log_error(axes, late), note)
    low, high = limits(late)
    low, high = max(low, 0), min(high, 100)
    return Plot(data, lambda axes: axes.set_ylim(low, high if high > low else low + 1), note)


def _log_error(axes: Axes, data: pd.DataFrame) -> None:
    low, high = limits(data, LOG_ERROR)
    few = [tick for tick in _TICKS if low <= tick <= high]
    axes.set_yscale("function", functions=LOG_ERROR)
    more = few if len(few) > 2 else [tick for tick in _MORE_TICKS if low <= tick <= high]
    axes.set_yticks(more if len(more) > 1 else [99.9, 99.95, 99.99])  # everything is right
    axes.set_ylim(max(low, 0), high)
    axes.yaxis.set_major_formatter("{x:g}")


draw = CurveFigure(
    name="accuracy_curves",
    what="test accuracy",
    lines={"test": "-"},
    y_label="Test accuracy (%)",
    plot=plot,
    score=SCORES["test_accuracy"],
).draw
