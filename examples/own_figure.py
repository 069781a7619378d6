"""A figure of one's own: `regularize figures SWEEP own_figure:strengths`, or `report SWEEP --figure …`."""

from __future__ import annotations

from matplotlib.figure import Figure

from analysis.notation.methods import method


def strengths(tables):
    """Test accuracy of every report run against the norm of its weights, in the colours of the techniques."""
    runs = tables.results[tables.results["phase"] == "report"]
    figure = Figure(figsize=(5.5, 2.6), layout="constrained")
    axes = figure.subplots()
    for name, mine in runs.groupby("regularizer"):
        look = method(name)
        shown = {"color": look.colour, "marker": look.marker, "linestyle": "", "label": look.label}
        axes.plot(mine["weight_norm"], 100 * mine["test_accuracy"], **shown)
    axes.set(xlabel="norm of the weights", ylabel="test accuracy (%)")
    figure.legend(loc="outside right")
    return figure, runs[["regularizer", "seed", "weight_norm", "test_accuracy"]]
