"""Small multiples: one panel a contender, the baseline in grey in each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import mode
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from analysis.figures.parts import style
from analysis.figures.parts.even_pages import Page, even_pages
from analysis.notation import methods
from analysis.statistics.contenders import Comparison, Contender
from analysis.text.caption_phrases import name

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

PANELS_A_PAGE = 16
_PANEL_WIDTH, _ROW_HEIGHT, _ROWS_A_PAGE = 1.6, 1.65, 5  # inches, the width at least
TITLE = 21  # characters that fit above a panel, be it one of two in a column of text
_TITLE_LINES, _LINE_HEIGHT = 3, 8 * 1.35 / 72  # for which a row has the room; inches of a further line


def pages(
    comparison: Comparison, size: int | None = None, panels: Sequence[Contender] = ()
) -> Iterator[tuple[Page, list[Contender]]]:
    """The panels of each page; by default all.

    At most `size`; by default as many as fit with what `title` says above them.
    """
    found, row = list(panels) or comparison.challengers or comparison.contenders, _ROW_HEIGHT
    if size is None and not panels:
        row += _beyond([title(comparison, contender) for contender in found])
    rows = max(int(_ROWS_A_PAGE * _ROW_HEIGHT / row), 1)
    return even_pages(found, min(size or PANELS_A_PAGE, rows * style.columns_that_fit(_PANEL_WIDTH)))


def small_multiples(
    comparison: Comparison,
    panels: Sequence[Contender],
    draw: Callable[[Axes, Contender], object],
    x_label: str,
    y_label: str,
    handles: Sequence[Artist] = (),
    share_x: bool = True,
    titles: Sequence[str] = (),
) -> Figure:
    """A panel for each contender, in which `draw` first draws the baseline; the y axis is shared.

    `handles` make the legend, with the baseline's grey after them. `titles` are those of the panels, by
    default what `title` says.
    """
    from matplotlib.figure import Figure

    from analysis.figures.parts.measured_layout import MeasuredLayout

    columns = _columns(len(panels))
    rows = math.ceil(len(panels) / columns)
    width = style.text_width() if columns > 2 else style.column_width()
    titles = titles or [title(comparison, contender) for contender in panels]
    height = 0.75 + rows * _ROW_HEIGHT + (0.3 if columns <= 2 else 0)
    height += sum(_beyond(titles[start : start + columns]) for start in range(0, len(panels), columns))
    figure = Figure(figsize=(width, height), layout=MeasuredLayout())
    grid = figure.subplots(rows, columns, sharex=share_x, sharey=True, squeeze=False)
    for axes in grid.flat:
        axes.autoscale(False)  # until all is drawn: each band would set the limits of all panels again
    for axes, contender, words in zip(grid.flat, panels, titles, strict=False):
        for each in behind(comparison, contender):
            draw(axes, each)
        axes.set_title(words, **style.TITLE)
    for axes in grid.flat:
        axes.autoscale(True)
    _hide_unused(grid, len(panels))
    figure.supxlabel(x_label, fontsize=8)
    figure.supylabel(y_label, fontsize=8)
    legend(figure, comparison, handles)
    return figure


def _beyond(titles: Sequence[str]) -> float:
    """Inches that the tallest title of a row takes beyond the room for titles: they are not the panels'."""
    lines = max(1 + words.count("\n") for words in titles)
    return _LINE_HEIGHT * max(lines - _TITLE_LINES, 0)


def behind(comparison: Comparison, contender: Contender) -> list[Contender]:
    """Whom a panel shows: the baseline, if there is one, and on top the contender."""
    return list(dict.fromkeys([comparison.baseline or contender, contender]))


def _columns(panels: int) -> int:
    """As many in a row as fit, or one less, whichever leaves fewer places empty."""
    most = style.columns_that_fit(_PANEL_WIDTH)
    return panels if panels <= most else min((most, max(most - 1, 2)), key=lambda columns: -panels % columns)


def usual_n(comparison: Comparison) -> int:
    """The number of seeds that most contenders have; stated once instead of in every title."""
    return mode(len(comparison.done(contender)) for contender in comparison.contenders)


def title(comparison: Comparison, contender: Contender) -> str:
    """The technique, its strength, and the number of seeds where it is not the usual one."""
    strength = methods.strength_label(contender.regularizer, contender.strength)
    n, diverged = len(comparison.done(contender)), comparison.n_diverged(contender)
    seeds = f"n = {n}" + f", {diverged} diverged" * bool(diverged)
    whole = strength.replace(" = ", "\u00a0=\u00a0")  # not broken between lines
    lines = [
        line
        for text in (methods.method(contender.regularizer).label, whole)
        for line in style.broken(text, TITLE)
    ]
    return style.plain("\n".join([*lines, *[seeds] * (n != usual_n(comparison) or diverged > 0)]))


def _hide_unused(grid: NDArray[Any], used: int) -> None:
    """Remove the panels after the last; those above them get the labels of the epochs."""
    rows, columns = grid.shape
    for place in range(used, rows * columns):
        grid.flat[place].remove()
        grid.flat[place - columns].xaxis.set_tick_params(labelbottom=True)


def legend(figure: Figure, comparison: Comparison, handles: Sequence[Artist], patch: bool = False) -> None:
    """Above the panels: `handles`, and what is grey, a line or with `patch` an area."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = list(handles)
    if comparison.baseline and comparison.challengers:
        words = name(comparison.baseline)
        area = Patch(facecolor=style.GREY, alpha=style.BEHIND, label=words)
        handles.append(area if patch else Line2D([], [], color=style.GREY, label=words))
    if handles:
        ncols = len(handles) if figure.get_figwidth() > style.ONE_COLUMN else 2
        figure.legend(handles=handles, loc="outside upper center", ncols=ncols, columnspacing=1.4)


def band_handle(comparison: Comparison) -> Patch:
    """What shading means, for legends."""
    from matplotlib.patches import Patch

    n = usual_n(comparison)
    label = f"95% t-interval, n = {n}" if n > 1 else f"n = {n}: no interval"
    return Patch(facecolor=style.INK, alpha=0.2 if n > 1 else 0, label=label)
