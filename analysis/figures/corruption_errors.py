"""Errors on corrupted images as percent of the baseline's, by corruption, and their mean (mCE)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from analysis.figures.parts import style
from analysis.figures.parts.bands import means, of_contender
from analysis.figures.parts.even_pages import Page
from analysis.figures.parts.panels import pages
from analysis.figures.parts.save import Drawing
from analysis.figures.parts.subject import CannotDrawError, Subject
from analysis.notation.intervals import Interval
from analysis.notation.number_text import number, plus_minus
from analysis.statistics.contenders import Comparison, Contender
from analysis.statistics.corruption_error import MEAN, corruption_errors
from analysis.tables.store_tables import digest
from analysis.text.caption_phrases import band, counts, left_out, name, of, reference, seeds

_ROW = 0.24  # inches
_ROWS_A_PAGE, _NAME = 30, 48  # characters of a name on a line
_LEAST = 10.0  # percent from 100 that have the full colour at least
_PALE = 0.6  # of the way to the full colour, up to which black letters are read better than white ones
_WIDE = 2  # columns that the mean takes, for its interval


def draw(subject: Subject) -> Iterator[Drawing]:
    """A row a contender, a column a corruption, their mean first; means over seeds."""
    comparison = subject.comparison
    rows = comparison.corruptions
    if comparison.baseline is None or not comparison.challengers:
        raise CannotDrawError(
            "corruption errors are relative to `none`: they need it and another regularizer"
        )
    cell = ("regularizer", "strength", "corruption")
    data = means(corruption_errors(rows, comparison.baseline), cell, "relative")
    for page, contenders in pages(comparison, _ROWS_A_PAGE):
        yield _drawing(subject.name("corruption_errors"), page, comparison, contenders, rows, data)


def _drawing(
    file: str,
    page: Page,
    comparison: Comparison,
    contenders: list[Contender],
    rows: pd.DataFrame,
    data: pd.DataFrame,
) -> Drawing:
    return Drawing(
        name=file + page.suffix,
        page=[page],
        figure=_figure(comparison, contenders, data),
        data=data,
        caption=(
            f"{of(comparison)}: errors on corrupted test images as percent of those with "
            f"{reference(comparison)} "
            "(Hendrycks and Dietterich, 2019): for each corruption those of all severities together; "
            f"mCE is the mean over corruptions. Means over seeds ({seeds(comparison, rows=rows)}), mCE "
            f"with its 95% t-interval, for these {int(rows['examples'].max())} images and the baseline's "
            f"mean errors as they are. Strengths: {comparison.rule}.{left_out(comparison, rows)}"
        ),
        alt=(
            f"A table of colours: a row for each of {len(contenders) + 1} contenders, a column for "
            f"each corruption; blue where there are fewer errors than with "
            f"{reference(comparison)}, red where more. "
            f"Mean corruption errors ({seeds(comparison, rows=rows)}): {_errors(comparison, data)}."
        ),
        summary=f"{of(comparison)}, mean corruption error: {_errors(comparison, data)}",
        band=band(comparison, rows),
        n=counts(comparison, rows),
        inputs=digest(rows),
    )


def _figure(comparison: Comparison, contenders: Sequence[Contender], data: pd.DataFrame) -> Figure:
    contenders = [*contenders, *([comparison.baseline] if comparison.baseline else [])]
    corruptions = [MEAN, *(each for each in dict.fromkeys(data["corruption"]) if each != MEAN)]
    table = np.array([_row(data, each).reindex(corruptions) for each in contenders], dtype=float)
    furthest = max(_LEAST, float(np.nanmax(np.abs(table - 100))))
    figure = Figure(
        figsize=(style.text_width(style.WIDE), 1.2 + _ROW * len(contenders)), layout="constrained"
    )
    axes = figure.subplots()
    norm = TwoSlopeNorm(100, 100 - furthest, 100 + furthest)
    edges = np.array([0, *range(_WIDE, _WIDE + len(corruptions))])
    places = (edges[1:] + edges[:-1]) / 2
    axes.pcolormesh(
        edges,
        np.arange(len(contenders) + 1),
        table,
        cmap="RdBu_r",
        norm=norm,
        edgecolors="white",
        linewidth=0.6,
    )
    axes.invert_yaxis()
    for (row, column), value in np.ndenumerate(table):
        colour = style.INK if abs(value - 100) < _PALE * furthest else "white"
        text = number(value, 0) if column else plus_minus(_interval(data, contenders[row]))
        axes.text(places[column], row + 0.5, text, ha="center", va="center", fontsize=7, color=colour)
    labels = ["mCE", *(each.replace("_", " ") for each in corruptions[1:])]
    axes.set_xticks(places, labels, rotation=45, ha="left", fontsize=7)
    names = [style.plain("\n".join(style.broken(name(each), _NAME))) for each in contenders]
    axes.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=7)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.axvline(_WIDE, color=style.INK, linewidth=1)
    axes.spines[:].set_visible(False)
    figure.supxlabel(style.plain(f"Errors, % of those with {reference(comparison)}"), fontsize=8)
    return figure


def _row(data: pd.DataFrame, contender: Contender) -> pd.Series:
    return of_contender(data, contender).set_index("corruption")["mean"]


def _interval(data: pd.DataFrame, contender: Contender) -> Interval:
    (row,) = of_contender(data, contender).query("corruption == @MEAN").to_dict("records")
    return Interval(row["n"], row["mean"], row["high"] - row["mean"])


def _errors(comparison: Comparison, data: pd.DataFrame) -> str:
    return "; ".join(f"{name(each)} {plus_minus(_interval(data, each))} %" for each in comparison.challengers)
