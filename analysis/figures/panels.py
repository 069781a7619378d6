"""Small multiples of learning curves: one panel a contender, the baseline in grey in each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from statistics import mode
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from numpy.typing import NDArray

from analysis.comparison import Comparison, Contender
from analysis.figures import style

Lines = Mapping[str, Literal["-", "--", ":", "-."]]

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS_A_PAGE = 16
_PANEL_HEIGHT = 1.35  # inches
_TITLE = 24  # characters that fit above a panel


def pages(comparison: Comparison) -> Iterator[tuple[str, list[Contender]]]:
    """The panels of each page, with what tells its file name from the other pages'."""
    panels = comparison.challengers or comparison.contenders
    several = len(panels) > PANELS_A_PAGE
    for page, start in enumerate(range(0, len(panels), PANELS_A_PAGE), 1):
        yield f"-{page}" if several else "", panels[start : start + PANELS_A_PAGE]


def small_multiples(
    comparison: Comparison,
    panels: list[Contender],
    curves: pd.DataFrame,
    lines: Lines,
    y_label: str,
    set_axis: Callable[[Axes], object],
) -> Figure:
    """Draw `curves` (see `figures.curves`) of each contender in a panel of its own.

    `lines` maps a series to its line style; `set_axis` is called once, as the panels share their
    axes.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    columns = _columns(len(panels))
    rows = math.ceil(len(panels) / columns)
    width = style.TWO_COLUMNS if columns > 2 else style.ONE_COLUMN
    height = 0.75 + rows * (_PANEL_HEIGHT + 0.3) + (0.3 if columns <= 2 else 0)
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes, contender in zip(grid.flat, panels, strict=False):
        if comparison.baseline:
            _draw(axes, curves, comparison.baseline, lines)
        _draw(axes, curves, contender, lines)
        axes.set_title(title(comparison, contender), linespacing=1.15)
    _hide_unused(grid, len(panels))
    set_axis(grid[0, 0])
    grid[0, 0].xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True, steps=[1, 2, 5, 10]))
    figure.supxlabel("Epoch", fontsize=8)
    figure.supylabel(y_label, fontsize=8)
    _legend(figure, comparison, lines)
    return figure


def _columns(panels: int) -> int:
    """Up to four in a row; of more, three or four, whichever leaves fewer places empty."""
    return panels if panels <= 4 else min((4, 3), key=lambda columns: -panels % columns)


def usual_n(comparison: Comparison) -> int:
    """The number of seeds that most contenders have; stated once instead of in every title."""
    return mode(len(comparison.done(contender)) for contender in comparison.contenders)


def title(comparison: Comparison, contender: Contender) -> str:
    """The technique, its strength, and the number of seeds where it is not the usual one."""
    strength = style.strength_label(contender.regularizer, contender.strength)
    n, diverged = len(comparison.done(contender)), comparison.n_diverged(contender)
    seeds = f"n = {n}" + f", {diverged} diverged" * bool(diverged)
    whole = strength.replace(" = ", "\u00a0=\u00a0")  # not broken between lines
    lines = [*wrap(style.method(contender.regularizer).label, _TITLE), *wrap(whole, _TITLE)]
    return style.plain("\n".join([*lines, *[seeds] * (n != usual_n(comparison) or diverged > 0)]))


def _draw(axes: Axes, curves: pd.DataFrame, contender: Contender, lines: Lines) -> None:
    colour = style.method(contender.regularizer).colour
    mine = curves[
        (curves["regularizer"] == contender.regularizer) & (curves["strength"] == contender.strength)
    ]
    for series, linestyle in lines.items():
        line = mine[mine["series"] == series]
        marker = "." if len(line) < 4 else ""
        axes.fill_between(line["epoch"], line["low"], line["high"], color=colour, alpha=0.2, linewidth=0)
        axes.plot(line["epoch"], line["mean"], color=colour, linestyle=linestyle, marker=marker)


def _hide_unused(grid: NDArray[Any], used: int) -> None:
    """Remove the panels after the last; those above them get the labels of the epochs."""
    rows, columns = grid.shape
    for place in range(used, rows * columns):
        grid.flat[place].remove()
        grid.flat[place - columns].xaxis.set_tick_params(labelbottom=True)


def _legend(figure: Figure, comparison: Comparison, lines: Lines) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Line2D | Patch] = []
    if len(lines) > 1:
        handles += [
            Line2D([], [], color=style.INK, linestyle=look, label=name) for name, look in lines.items()
        ]
    if comparison.baseline:
        handles.append(Line2D([], [], color=style.GREY, label="no regularizer"))
    n = usual_n(comparison)
    label = f"95% t-interval, n = {n}" if n > 1 else f"n = {n}: no interval"
    handles.append(Patch(facecolor=style.INK, alpha=0.2 if n > 1 else 0, label=label))
    ncols = len(handles) if figure.get_figwidth() > style.ONE_COLUMN else 2
    figure.legend(handles=handles, loc="outside upper center", ncols=ncols, columnspacing=1.4)
