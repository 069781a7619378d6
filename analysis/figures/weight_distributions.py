"""How the weights of every layer are distributed, and the share of those that are exactly zero."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from analysis.figures.parts import style
from analysis.figures.parts.bands import of_contender
from analysis.figures.parts.even_pages import columns
from analysis.figures.parts.matrix import ROWS_A_PAGE, matrix
from analysis.figures.parts.panels import pages
from analysis.figures.parts.save import Drawing
from analysis.figures.parts.subject import CannotDrawError, Subject
from analysis.networks.layer_weights import MOST_RUNS, distributions
from analysis.notation import methods
from analysis.notation.number_text import number
from analysis.statistics.contenders import Comparison, Contender
from analysis.tables.store_tables import digest
from analysis.text.caption_phrases import counts, name, of, reference, seeds


def draw(subject: Subject) -> Iterator[Drawing]:
    """A row a contender, a column a layer."""
    comparison = subject.comparison
    if not any(len(comparison.done(contender)) for contender in comparison.contenders):
        raise CannotDrawError("every run diverged")
    data = distributions(comparison, subject.data_root)
    zeros, shown = _zeros(comparison, data), seeds(comparison, MOST_RUNS)
    if max(counts(comparison).values()) > MOST_RUNS:
        shown += f": of each technique the first {MOST_RUNS} by seed"
    for page, panels in pages(comparison, ROWS_A_PAGE):
        for part, layers in columns(data["layer"]):
            yield Drawing(
                name=subject.name("weight_distributions") + page.suffix + part.suffix,
                page=[page, part],
                figure=_figure(comparison, panels, layers, data),
                data=data,
                caption=(
                    f"{of(comparison)}: density of each layer's weights (without biases) at the end of "
                    f"training, on a logarithmic axis, as the mean over runs ({shown}). Weights that are "
                    "exactly zero "
                    "are not in the density; where there are any, their share is written in the panel. "
                    f"Strengths: {comparison.rule}."
                ),
                alt=(
                    f"Histograms of weights, a row for each of {len(panels)} regularizers, a column for each "
                    f"of the layers {', '.join(layers)}; grey: with {reference(comparison)}; {shown}. Exact "
                    f"zeros: {zeros}."
                ),
                summary=f"{of(comparison)}, weights that are exactly zero: {zeros}",
                band="none",
                n={each: min(n, MOST_RUNS) for each, n in counts(comparison).items()},
                inputs=digest(data),
            )


def _figure(comparison: Comparison, panels: list[Contender], layers: list[str], data: pd.DataFrame) -> Figure:
    floors = data[data["density"] > 0].groupby("layer")["density"].min()

    def cell(axes: Axes, contender: Contender, layer: str) -> None:
        bins = of_contender(data, contender)
        bins = bins[bins["layer"] == layer]
        if len(bins):
            _histogram(axes, bins, contender, floors[layer], behind=contender not in panels)

    figure = matrix(
        comparison, panels, layers, cell, "Weight", "Density, logarithmic", share_y=False, patch=True
    )
    for axes in figure.axes:
        axes.set_yscale("log")
        axes.locator_params(axis="x", nbins=3)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_locator(NullLocator())
        axes.yaxis.set_minor_locator(NullLocator())
        axes.spines["left"].set_visible(False)
        axes.margins(x=0)
    for axes in figure.axes[: len(layers) if data["zeros"].any() else 0]:  # a column shares its axis
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * (high / low) ** 0.2)  # room for the words about zeros
    return figure


def _histogram(axes: Axes, bins: pd.DataFrame, contender: Contender, floor: float, behind: bool) -> None:
    colour = methods.method(contender.regularizer).colour
    edges = [*bins["low"], bins["high"].iloc[-1]]
    heights = bins["density"].clip(lower=floor / 2)
    alpha = style.BEHIND if behind else 1
    axes.stairs(heights, edges, color=colour, fill=behind, alpha=alpha, baseline=floor / 2)
    zeros = bins["zeros"].iloc[0]
    if zeros and not behind:
        axes.text(0.02, 0.97, f"{_percent(zeros)} zero", transform=axes.transAxes, va="top", fontsize=7)


def _percent(share: float) -> str:
    """E.g. `43 %`; zero and one hundred only where they are exact."""
    percent = 100 * share
    if 0 < percent < 0.1:
        return "<0.1 %"
    return f"{number(percent, 0 if 1 <= percent <= 99 or percent in (0, 100) else 1)} %"


def _zeros(comparison: Comparison, data: pd.DataFrame) -> str:
    """Each contender's shares of zeros, from the layer with fewest to the layer with most."""
    found = {}
    for contender in comparison.contenders:
        shares = of_contender(data, contender)["zeros"]
        if len(shares) and shares.max():
            found[contender] = (
                f"{name(contender)} {_percent(shares.min())} to {_percent(shares.max())} of a layer"
            )
    none = "none" if not found else ""
    return none or "; ".join(found.values()) + "; none elsewhere" * (len(found) < len(comparison.contenders))
