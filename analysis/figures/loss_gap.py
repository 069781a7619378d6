"""Test loss minus training loss by epoch: how far the two come apart."""

from __future__ import annotations

from matplotlib.axes import Axes

from analysis.figures.parts import style
from analysis.figures.parts.curve_figure import CurveFigure, Plot
from analysis.figures.parts.learning_curves import curves, gap, limits
from analysis.statistics.contenders import Comparison
from analysis.statistics.scores import SCORES


def plot(comparison: Comparison) -> Plot:
    """Zero is always on the axis, and marked in every panel."""
    data = curves(gap(comparison), "gap")
    low, high = limits(data)

    def set_axis(axes: Axes) -> None:
        axes.set_ylim(min(low, -0.05 * high), max(high, -0.05 * low))
        for panel in axes.figure.axes:
            panel.axhline(0, color=style.INK, linewidth=0.6, zorder=1)

    return Plot(data, set_axis)


draw = CurveFigure(
    name="loss_gap",
    what="test loss minus training loss",
    lines={"gap": "-"},
    y_label="Test − training loss (nats)",
    plot=plot,
    score=SCORES["loss_gap"],
).draw
