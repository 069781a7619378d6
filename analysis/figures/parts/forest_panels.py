"""The panels of the forest plot: a column a problem, a row a contender, on one kind of axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import CARETLEFT, CARETRIGHT
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullLocator

from analysis.figures.parts import style
from analysis.figures.parts.measured_layout import MeasuredLayout
from analysis.notation import methods
from analysis.notation.intervals import Interval
from analysis.statistics.contenders import Contender
from analysis.statistics.scores import Score
from analysis.tables.store_tables import Problem, records
from analysis.text.caption_phrases import in_order, name, where

_ROW, _LINE_OF_A_ROW = 0.1, 0.11  # inches
_LABEL, _WIDE_LABEL = 22, 34  # characters of a line beside it
_TALLEST = 3  # lines of a label in a single column, whose figure is wide where it needs more
_TALL = 7.8  # inches of rows on a page
_UNITS = {"pp": " (percentage points)", "": ""}
_CLOSE = 100  # an axis of ratios that spans less has ticks between powers of ten
_LINE = 54  # characters below a single narrow column

Panel = tuple[Problem, pd.DataFrame]


def panels(shown: Sequence[Panel], score: Score, baseline: str) -> Figure:
    """One column wide for a single problem, two for several; rows without a difference stay empty."""
    keys, by_strength = _keys([rows for _, rows in shown])
    names = [_label(key, by_strength) for key in keys]
    narrow = len(shown) == 1 and (not style.fits(style.WIDE) or _fits_one_column(names))
    labels = [style.broken(each, _LABEL if narrow else _WIDE_LABEL) for each in names]
    row = _height(max(1 + narrow / 2, *map(len, labels)))
    width = style.column_width() if narrow else style.text_width(style.WIDE)
    height = (1.75 if narrow else 1.3) + row * len(keys)
    figure = Figure(figsize=(width, height), layout=MeasuredLayout())
    grid = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axes, (problem, rows) in zip(grid, shown, strict=True):
        _column(axes, rows, keys, score, by_strength)
        if not (narrow or score.is_ratio):
            axes.locator_params(axis="x", nbins=12 // len(shown))
        title = style.plain(where(problem))
        axes.set_title(title if narrow else title.replace(" (", "\n("), **style.TITLE)
    texts = [style.plain("\n".join(each)) for each in labels]
    grid[0].set_yticks(range(len(keys)), texts, linespacing=1.05)
    grid[0].set_ylim(len(keys) - 0.4, -0.6)
    figure.supxlabel(_x_label(score, baseline, narrow), fontsize=8)
    doubtful = any((rows["confirmed"] == False).any() for _, rows in shown)  # noqa: E712, missing where untested
    figure.legend(handles=_legend(score, doubtful), loc="outside upper center", ncols=1 if narrow else 3)
    return figure


def _fits_one_column(names: Sequence[str]) -> bool:
    lines = max(len(style.broken(each, _LABEL)) for each in names)
    return lines <= _TALLEST and len(names) * _height(max(1.5, lines)) <= _TALL


def rows_that_fit(contenders: Sequence[Contender]) -> int:
    """How many of them a page has room for, by the longest of their names."""
    wide = style.fits(style.WIDE)
    lines = [
        style.broken(_label(each, by_strength=True), _WIDE_LABEL if wide else _LABEL) for each in contenders
    ]
    return int(_TALL / _height(max(1 if wide else 1.5, *map(len, lines))))


def _height(lines: float) -> float:
    """Of a row, in inches."""
    return _ROW + _LINE_OF_A_ROW * lines


def _keys(tables: Sequence[pd.DataFrame]) -> tuple[list[Contender], bool]:
    """What has a row, and whether strengths do: of one problem, or where one has several of a technique."""
    every = pd.concat(tables)
    order = in_order(Contender(*pair) for pair in every[["regularizer", "strength"]].itertuples(index=False))
    by_strength = len(tables) == 1 or any(rows["regularizer"].duplicated().any() for rows in tables)
    if by_strength:
        return order, True
    return list(dict.fromkeys(Contender(each.regularizer, "") for each in order)), False


def _label(key: Contender, by_strength: bool) -> str:
    if not by_strength:
        return methods.method(key.regularizer).label
    return name(key).replace(" = ", "\u00a0=\u00a0")


def _x_label(score: Score, baseline: str, narrow: bool) -> str:
    """What the axis shows, and which way is better."""
    if score.is_ratio:
        label = f"{score.what}, ratio to {baseline}"
    else:
        unit = _UNITS.get(score.difference_unit, f" ({score.difference_unit})")
        label = f"Difference in {score.what} to {baseline}{unit}"
    side = f"{score.better} →" if score.higher_is_better else f"← {score.better}"
    if narrow:
        return style.plain("\n".join([*style.broken(label, _LINE), side]))
    return style.plain(f"{label}    {side}" if score.higher_is_better else f"{side}    {label}")


def _legend(score: Score, half_filled: bool) -> list[Any]:
    look: dict[str, Any] = {"color": style.INK, "marker": "o", "linestyle": "-", "linewidth": 0.9}
    handles: list[Any] = [
        Line2D([], [], **look, label="significant and confirmed (†)"),
        Line2D([], [], **look, markerfacecolor="white", label="not significant, or not tested"),
    ]
    if half_filled:
        doubt: dict[str, Any] = {"fillstyle": "left", "markerfacecoloralt": "white"}
        handles.insert(1, Line2D([], [], **look, **doubt, label="significant, not confirmed"))
    if score.region is not None:
        handles.append(Patch(facecolor=style.GREY, alpha=0.25, label="practically equivalent"))
    return handles


def _column(
    axes: Axes, rows: pd.DataFrame, keys: Sequence[Contender], score: Score, by_strength: bool
) -> None:
    if rope := _rope(rows):
        axes.axvspan(-rope, rope, color=style.GREY, alpha=0.25, linewidth=0)
    axes.axvline(_place(0.0, score), color=style.INK, linewidth=0.6)
    low, high = _limits(rows, score)
    if score.is_ratio:
        _set_ratios(axes, math.exp(low), math.exp(high))
    else:
        axes.set_xlim(low, high)
        axes.locator_params(axis="x", nbins=4)
    pairs = zip(rows["regularizer"], rows["strength"], strict=True)
    places = [keys.index(Contender(name, strength if by_strength else "")) for name, strength in pairs]
    _intervals(axes, rows, places, score)
    for row, place in zip(records(rows), places, strict=True):
        _mark(axes, row, place, score)
    axes.tick_params(axis="y", length=0)


def _set_ratios(axes: Axes, low: float, high: float) -> None:
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < _CLOSE else (1,)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())


def _place(value: float, score: Score) -> float:
    return math.exp(value) if score.is_ratio else value


def _limits(rows: pd.DataFrame, score: Score) -> tuple[float, float]:
    """Of differences: those of all means, but not of intervals much wider than the others."""
    least = 2 * _rope(rows)
    half = rows["difference_family_half"].fillna(0.0)
    typical = half[half > 0].median()
    if not math.isnan(typical):
        half = half.clip(upper=3 * typical)
    ends = pd.concat([rows["difference"] - half, rows["difference"] + half]).dropna()
    low, high = min([-least, *ends]), max([least, *ends])
    margin = 0.04 * (high - low) or 1.0
    return low - margin, high + margin


def _rope(rows: pd.DataFrame) -> float:
    """Half the width of the region of practical equivalence; 0 where there is none."""
    found = rows["rope"].dropna()
    return float(found.iloc[0]) if len(found) else 0.0


def _intervals(axes: Axes, rows: pd.DataFrame, places: Sequence[int], score: Score) -> None:
    """All at once; a caret with its tip at the end of the axis, beside no label, where one goes on."""
    ys, middle, half = np.array(places), rows["difference"].to_numpy(float), rows["difference_family_half"]
    lows, highs = (
        np.exp(ends) if score.is_ratio else ends
        for ends in (middle - half.to_numpy(float), middle + half.to_numpy(float))
    )
    colours = np.array([methods.method(name).colour for name in rows["regularizer"]])
    known, (low, high) = np.isfinite(lows) & np.isfinite(highs), axes.get_xlim()
    axes.hlines(
        ys[known], lows[known], highs[known], colours[known], linewidth=1.0, capstyle="projecting", zorder=2
    )
    for cut, limit, caret in ((lows < low, low, CARETLEFT), (highs > high, high, CARETRIGHT)):
        for y, colour in zip(ys[cut & known], colours[cut & known], strict=True):
            axes.plot(limit, y, marker=caret, color=colour, markersize=5, clip_on=False)


def _mark(axes: Axes, row: Mapping[str, Any], y: int, score: Score) -> None:
    x, half = row["difference"], row["difference_family_half"]
    if pd.isna(x):
        axes.text(1.04, y, "–", transform=axes.get_yaxis_transform(), va="center", fontsize=7)
        return
    look = methods.method(row["regularizer"])
    confirmed, doubtful = (row["confirmed"] in (value,) for value in (True, False))  # missing is neither
    face = look.colour if confirmed or doubtful else "white"
    fill: Any = {"fillstyle": "left", "markerfacecoloralt": "white"} if doubtful else {}
    axes.plot(
        _place(x, score),
        y,
        marker="o" if look.marker.startswith("$") else look.marker,  # a number is never hollow
        linestyle="",
        color=look.colour,
        markerfacecolor=face,
        markersize=4.5,
        markeredgewidth=0.9,
        **fill,
    )
    words = score.difference(Interval(int(row["n_pairs"]), x, half)) + "†" * confirmed
    axes.text(1.04, y, words, transform=axes.get_yaxis_transform(), va="center", fontsize=7)
