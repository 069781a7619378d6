"""A row of small panels for each contender, a column for each facet (layer, attack), the baseline in grey."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from analysis.figures.parts import style
from analysis.figures.parts.panels import behind, legend, title
from analysis.statistics.contenders import Comparison, Contender

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROWS_A_PAGE = 12
COLUMNS_A_PAGE = 6
_TALL, _LOW = 0.85, 0.62  # inches of a row, of up to six rows and of more


def matrix(
    comparison: Comparison,
    panels: Sequence[Contender],
    facets: Sequence[str],
    draw: Callable[[Axes, Contender, str], object],
    x_label: str,
    y_label: str,
    handles: Sequence[Artist] = (),
    share_y: bool = True,
    patch: bool = False,
) -> Figure:
    """`draw` is called for the baseline and then the contender of each row; a column shares its x axis.

    With `patch` the baseline is an area, else a line.
    """
    from matplotlib.figure import Figure

    from analysis.figures.parts.measured_layout import MeasuredLayout

    row = _TALL if len(panels) <= 6 else _LOW
    figure = Figure(figsize=(style.text_width(style.WIDE), 0.85 + row * len(panels)), layout=MeasuredLayout())
    grid = figure.subplots(
        len(panels), len(facets), sharex="col", sharey=True if share_y else "col", squeeze=False
    )
    for axes_row, contender in zip(grid, panels, strict=True):
        for axes, facet in zip(axes_row, facets, strict=True):
            for each in behind(comparison, contender):
                draw(axes, each, facet)
        label = title(comparison, contender)
        axes_row[0].set_ylabel(
            label, rotation=0, ha="right", va="center", linespacing=1.15, fontsize=7.5, labelpad=6
        )
    for axes, facet in zip(grid[0], facets, strict=True):
        axes.set_title(style.plain(facet), **style.TITLE)
    figure.supxlabel(x_label, fontsize=8)
    figure.supylabel(y_label, fontsize=8)
    legend(figure, comparison, handles, patch)
    return figure
