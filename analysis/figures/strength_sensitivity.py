"""How much a strength matters: the score by strength on the tune seeds, the chosen one, its plateau."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from math import isfinite
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.figures.parts import style
from analysis.figures.parts.panels import TITLE, pages, small_multiples
from analysis.figures.parts.save import Drawing
from analysis.figures.parts.strength_axis import place, set_axis
from analysis.figures.parts.subject import CannotDrawError, Subject
from analysis.notation import methods
from analysis.statistics.contenders import Comparison, Contender
from analysis.statistics.scores import SCORES, Score
from analysis.statistics.sensitivity import sensitivity
from analysis.tables.store_tables import digest
from analysis.text.caption_phrases import of, reference

_REACH = 15  # percentage points below the worst choice: what is lower is marked at the bottom
_STYLES = ("-", "--", ":", "-.")
_RING: dict[str, Any] = {"marker": "o", "markersize": 8, "fillstyle": "none", "markeredgewidth": 0.9}
_PLATEAU: dict[str, Any] = {"hatch": "////"}  # beside the baseline's band, which is grey as well
_BELOW: dict[str, Any] = {"marker": 11, "markersize": 6}  # a caret that points down


def draw(subject: Subject) -> Iterator[Drawing]:
    """A panel a regularizer; the baseline is a line in each."""
    comparison = subject.comparison
    rows = sensitivity(comparison.tables, comparison.problem)
    rows = rows[rows["mean"].map(isfinite)].reset_index(drop=True)
    if not (rows.groupby("regularizer")["strength"].nunique() > 1).any():
        raise CannotDrawError("no regularizer has more than one strength")
    if (rows["n_diverged"] == rows["n"]).all():
        raise CannotDrawError("every run diverged")
    score = SCORES[rows["metric"].iloc[0]]
    data = place(rows)
    panels = _panels(comparison, rows)
    if not panels:
        raise CannotDrawError("no regularizer has a finished report run yet")
    for suffix, page in pages(comparison, panels=panels):
        yield Drawing(
            name=subject.name("strength_sensitivity") + suffix,
            figure=_figure(comparison, page, data, score),
            data=data,
            caption=(
                f"{of(comparison)}: {score.what} by strength, means over {_seeds(rows)} seeds with 95% "
                "t-intervals; a diverged run counts as a constant guess. Ringed: the strength "
                "chosen; a caret at the bottom: a score below the axis; small ones: an interval "
                "that goes on. Hatched: the plateau, neighbouring "
                "strengths that are worse by no more than the region of practical "
                "equivalence; below how many those are at least and at most, by intervals of the differences "
                f"that with 95% hold for all strengths of a regularizer. Rule: {rows['rule'].iloc[0]}."
            ),
            alt=(
                f"{len(page)} small panels, one for each regularizer, with {score.what} by strength and the "
                f"score with {reference(comparison)} as a grey line; means over {_seeds(rows)} seeds. "
                f"{_said(data, panels)}."
            ),
            summary=f"{of(comparison)}, plateaus: {_said(data, panels)}",
            band="95% t-interval of the mean over seeds",
            n={str(name): int(mine["n"].max()) for name, mine in rows.groupby("regularizer")},
            inputs=digest(rows),
        )


def _panels(comparison: Comparison, rows: pd.DataFrame) -> list[Contender]:
    """The first contender of each regularizer that was tried."""
    tried = set(rows["regularizer"])
    first: dict[str, Contender] = {}
    for contender in comparison.challengers:
        if contender.regularizer in tried:
            first.setdefault(contender.regularizer, contender)
    return list(first.values())


def _seeds(rows: pd.DataFrame) -> str:
    low, high = rows["n"].min(), rows["n"].max()
    return f"{low}" if low == high else f"{low} to {high}"


def _figure(comparison: Comparison, panels: list[Contender], data: pd.DataFrame, score: Score) -> Figure:
    bottom, top = _limits(data, score)

    def draw(axes: Axes, contender: Contender) -> None:
        mine = data[data["regularizer"] == contender.regularizer]
        if comparison.is_baseline(contender):
            _baseline(axes, mine)
        elif len(mine):
            _lines(axes, mine, bottom, top)

    ring = Line2D([], [], color=style.INK, linestyle="", label="chosen", **_RING)
    handles: list[Any] = [ring] if data["chosen"].any() else []
    if (data["plateau_low"] < data["plateau_high"]).any():
        handles.append(
            Patch(facecolor="white", edgecolor=style.INK, linewidth=0, label="plateau", **_PLATEAU)
        )
    handles.append(Patch(facecolor=style.GREY, alpha=0.3, label="baseline, 95%"))
    y_label = f"{score.what.capitalize()}{f' ({score.unit.strip()})' * bool(score.unit)}"
    figure = small_multiples(comparison, panels, draw, "Strength", y_label, handles, share_x=False)
    margin = 0.06 * (top - bottom) or 1.0
    figure.axes[0].set_ylim(bottom - margin, top + margin)
    for axes, contender in zip(figure.axes, panels, strict=True):
        mine = data[data["regularizer"] == contender.regularizer]
        label, symbol = methods.method(contender.regularizer).label, mine["axis"].iloc[0]
        words = style.broken(f"{label} ({symbol})" if symbol else label, TITLE)
        axes.set_title(style.plain("\n".join(words)), linespacing=1.15)
        axes.set_xlabel("\n".join(filter(None, (plateau(mine), uncertainty(mine)))), fontsize=7)
        set_axis(axes, mine)
    return figure


def _limits(data: pd.DataFrame, score: Score) -> tuple[float, float]:
    """Means that are not far below the rest, and the usual interval around the highest and the lowest."""
    mean, percent = data["mean"], score.factor == 100
    near = mean >= mean.groupby(data["regularizer"]).max().min() - _REACH if percent else mean.notna()
    low, high = float(mean[near].min()), float(mean[near].max())
    reach = min(float(data["half"].median()), max(high - low, 0.5)) if data["half"].notna().any() else 0.1
    return low - reach, min(high + reach, 100) if percent else high + reach


def _baseline(axes: Axes, mine: pd.DataFrame) -> None:
    mean, half = mine["mean"].iloc[0], mine["half"].iloc[0]
    axes.axhline(mean, color=style.GREY)
    if pd.notna(half):
        axes.axhspan(mean - half, mean + half, color=style.GREY, alpha=0.15, linewidth=0)


def _lines(axes: Axes, mine: pd.DataFrame, bottom: float, top: float) -> None:
    look = methods.method(mine["regularizer"].iloc[0])
    low, high = mine["plateau_low"].iloc[0], mine["plateau_high"].iloc[0]
    if pd.notna(low) and low < high:
        axes.axvspan(
            low, high, facecolor=look.colour, edgecolor=look.colour, alpha=0.2, linewidth=0, **_PLATEAU
        )
    for (line, points), linestyle in zip(mine.groupby("line", sort=False), cycle(_STYLES)):
        means = points["mean"].clip(lower=bottom)
        halves = points["half"].where(points["mean"] >= bottom)
        axes.plot(
            points["x"],
            means,
            marker=look.marker,
            color=look.colour,
            linestyle=linestyle,
            label=line,
            markersize=3,
        )
        axes.vlines(points["x"], means - halves, means + halves, color=look.colour, linewidth=0.8)
        for ends, limit, caret in ((means - halves, bottom, 11), (means + halves, top, 10)):
            cut = points["x"][ends < limit if caret == 11 else ends > limit]  # where an interval goes on
            axes.plot(cut, [limit] * len(cut), marker=caret, color=look.colour, linestyle="", markersize=3)
    if mine["line"].any():
        axes.legend(loc="lower left", fontsize=7, handlelength=2.2, borderaxespad=0.2)
    chosen, below = mine[mine["chosen"]], mine[mine["mean"] < bottom]
    axes.plot(chosen["x"], chosen["mean"], color=style.INK, linestyle="", **_RING)
    axes.plot(below["x"], below["mean"].clip(lower=bottom), color=look.colour, linestyle="", **_BELOW)


def plateau(mine: pd.DataFrame) -> str:
    """E.g. `plateau: 3 of 5, 1.2 decades`; of the rows of one regularizer."""
    first = mine.iloc[0]
    if first["strengths"] < 2 or pd.isna(first["plateau_strengths"]):
        return ""
    words = f"plateau: {first['plateau_strengths']:.0f} of {first['strengths']:.0f}"
    decades, low, high = first["plateau_decades"], first["plateau_low"], first["plateau_high"]
    if pd.notna(decades) and decades > 0:
        words += f", {decades:.1f} decade{'s' * (f'{decades:.1f}' != '1.0')}"
    elif pd.notna(low) and low < high:
        words += f", {low:g} to {high:g}"
    return words


def uncertainty(mine: pd.DataFrame) -> str:
    """E.g. `95%: 1 to 4 strengths`; `` where nothing is known of it."""
    low, high = mine["plateau_at_least"].iloc[0], mine["plateau_at_most"].iloc[0]
    return f"95%: {low:.0f} to {high:.0f} strengths" if plateau(mine) and pd.notna(low) else ""


def _said(data: pd.DataFrame, panels: list[Contender]) -> str:
    found = []
    for contender in panels:
        mine = data[data["regularizer"] == contender.regularizer]
        chosen = mine[mine["chosen"]]
        strengths = [methods.strength_label(contender.regularizer, each) for each in chosen["strength"]]
        words = [methods.method(contender.regularizer).label, *strengths, plateau(mine), uncertainty(mine)]
        found.append(", ".join(filter(None, words)))
    return "; ".join(found)
