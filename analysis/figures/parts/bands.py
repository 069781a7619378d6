"""Means over seeds as lines, their 95% t-intervals as bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import pandas as pd

from analysis.notation.intervals import half_width
from analysis.notation.methods import method
from analysis.statistics.contenders import Contender

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LineStyle = Literal["-", "--", ":", "-."]


def means(rows: pd.DataFrame, by: Sequence[str], column: str) -> pd.DataFrame:
    """Mean of a column over seeds and its 95% t-interval: the columns `by`, n, mean, low, high."""
    groups = rows.groupby(list(by), sort=True, dropna=False)[column]
    frame = groups.agg(n="count", mean="mean", sd="std").reset_index()
    half = half_width(frame.pop("sd"), frame["n"])
    return frame.assign(low=frame["mean"] - half, high=frame["mean"] + half)


def of_contender(frame: pd.DataFrame, contender: Contender) -> pd.DataFrame:
    """The rows of one contender."""
    mine = (frame["regularizer"] == contender.regularizer) & (frame["strength"] == contender.strength)
    return frame[mine]


def band_line(
    axes: Axes, line: pd.DataFrame, x: str, contender: Contender, linestyle: LineStyle = "-", marker: str = ""
) -> None:
    """One line with its band, in the contender's colour; a line of few points has markers."""
    colour = method(contender.regularizer).colour
    marker = marker or ("." if len(line) < 4 else "")
    axes.fill_between(line[x], line["low"], line["high"], color=colour, alpha=0.2, linewidth=0)
    axes.plot(line[x], line["mean"], color=colour, linestyle=linestyle, marker=marker, markersize=2.8)
