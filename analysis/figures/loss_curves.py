"""Training and test loss by epoch: does a technique hold back overfitting?"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from analysis.figures.parts.curve_figure import CurveFigure, Plot
from analysis.figures.parts.learning_curves import LOG, by_split, curves, limits
from analysis.statistics.contenders import Comparison
from analysis.statistics.scores import SCORES

_LOG_FROM = 10  # the ratio of highest to lowest mean loss from which a linear axis hides the lowest
_DECADES_FROM = 100  # the ratio from which whole decades are ticks enough
_LOG_NOTE = " On the logarithmic axis lines are geometric means, and bands intervals of the mean logarithm."


def plot(comparison: Comparison) -> Plot:
    """From zero, or logarithmic where the losses span more than a linear axis can show."""
    rows = by_split(comparison, "train", "test")
    data = curves(rows, "loss")
    if data["mean"].max() > _LOG_FROM * data["mean"].min():
        data = curves(rows, "loss", LOG)
        return Plot(data, lambda axes: _logarithmic(axes, data), "" if comparison.run_id else _LOG_NOTE)
    return Plot(data, lambda axes: axes.set_ylim(0, limits(data)[1]))


def _logarithmic(axes: Axes, data: pd.DataFrame) -> None:
    whole_decades = data["mean"].max() > _DECADES_FROM * data["mean"].min()
    axes.set_yscale("log")
    axes.set_ylim(limits(data, LOG))
    axes.yaxis.set_major_locator(LogLocator(subs=(1,) if whole_decades else (1, 2, 5)))
    if not whole_decades:  # else as powers of ten
        axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


draw = CurveFigure(
    name="loss_curves",
    what="training (solid) and test (dashed) loss, measured without noise and dropout,",
    lines={"train": "-", "test": "--"},
    y_label="Cross-entropy (nats)",
    plot=plot,
    score=SCORES["test_loss"],
).draw
