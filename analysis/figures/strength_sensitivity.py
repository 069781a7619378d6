"""How much a strength matters: the score by strength on the tune seeds, the chosen one, its plateau.

Of several numbers, such as a strength and a learning rate that is tuned, each has a panel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from math import ceil, isfinite
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.transforms import ScaledTranslation

from analysis.figures.parts import style
from analysis.figures.parts.panels import TITLE, pages, small_multiples
from analysis.figures.parts.save import Drawing
from analysis.figures.parts.strength_axis import place, set_axis
from analysis.figures.parts.subject import CannotDrawError, Subject
from analysis.notation import methods
from analysis.statistics.contenders import Comparison, Contender
from analysis.statistics.scores import SCORES, Score
from analysis.statistics.sensitivity import is_best, sensitivity
from analysis.tables.store_tables import digest
from analysis.text.caption_phrases import of, reference

_REACH = 15  # percentage points below the worst choice: what is lower is marked at the bottom
_STYLES = ("-", "--", ":", "-.")  # and no more lines in a panel
_RING: dict[str, Any] = {"marker": "o", "markersize": 8, "fillstyle": "none", "markeredgewidth": 0.9}
_PLATEAU: dict[str, Any] = {"hatch": "////"}  # beside the baseline's band, which is grey as well
_REST: dict[str, Any] = {"marker": ".", "markersize": 4}  # settings that differ in more than is on the axis
_ALONG = (
    " Each number of several has a panel: lines join settings that differ in it alone, at most four; of more "
    "combinations that with the others as chosen is a line, and the rest are dots."
)
_SMALL = 7  # points
_TICKS = 20  # points from an axis to the text below its ticks
_SHORT = 12  # characters of labels of which two are side by side
_BELOW: dict[str, Any] = {"marker": 11, "markersize": 6}  # a caret that points down


@dataclass(frozen=True)
class Panel(Contender):
    """A regularizer along one of its numbers, by the name that this has on the axis."""

    axis: str


def draw(subject: Subject) -> Iterator[Drawing]:
    """A panel a regularizer and number of its settings; the baseline is a line in each."""
    comparison = subject.comparison
    rows = sensitivity(comparison.tables, comparison.problem)
    rows = rows[rows["mean"].map(isfinite)].reset_index(drop=True)
    if not (rows.groupby("regularizer")["strength"].nunique() > 1).any():
        raise CannotDrawError("no regularizer has more than one strength")
    if (rows["n_diverged"] == rows["n"]).all():
        raise CannotDrawError("every run diverged")
    score = SCORES[rows["metric"].iloc[0]]
    data = place(rows)
    panels = _panels(comparison, data)
    if not panels:
        raise CannotDrawError("no regularizer has a finished report run yet")
    several = len(panels) > len({panel.regularizer for panel in panels})
    for page, found in pages(comparison, panels=panels):
        shown = [panel for panel in panels if panel in found]
        yield Drawing(
            name=subject.name("strength_sensitivity") + page.suffix,
            page=[page],
            figure=_figure(comparison, shown, data, score),
            data=data,
            caption=(
                f"{of(comparison)}: {score.what} by strength, means over {_seeds(rows)} seeds with 95% "
                "t-intervals; a diverged run counts as a constant guess. Ringed: the strength "
                "chosen; a caret at the bottom: a score below the axis; small ones: an interval "
                f"that goes on.{_ALONG * several} Hatched: the plateau, neighbouring "
                "strengths that are worse by no more than the region of practical "
                "equivalence; below how many those are at least and at most, by intervals of the differences "
                f"that with 95% hold for all strengths of a regularizer. Rule: {rows['rule'].iloc[0]}."
            ),
            alt=(
                f"{len(shown)} small panels, one for each regularizer and number, with {score.what} by "
                f"strength and the score with {reference(comparison)} as a grey line; means over "
                f"{_seeds(rows)} seeds. {_said(data, panels)}."
            ),
            summary=f"{of(comparison)}, plateaus: {_said(data, panels)}",
            band="95% t-interval of the mean over seeds",
            n={str(name): int(mine["n"].max()) for name, mine in rows.groupby("regularizer")},
            inputs=digest(rows),
        )


def _panels(comparison: Comparison, data: pd.DataFrame) -> list[Panel]:
    """Of each regularizer that was tried and has a report run: one along each of its numbers, if any."""
    there = dict.fromkeys(contender.regularizer for contender in comparison.challengers)
    numbers = data[data["x"].notna()]
    return [
        Panel(name, "", str(axis))
        for name in there
        for axis in numbers.loc[numbers["regularizer"] == name, "axis"].drop_duplicates()
    ]


def _of(data: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    return data[(data["regularizer"] == panel.regularizer) & (data["axis"] == panel.axis)]


def _seeds(rows: pd.DataFrame) -> str:
    low, high = rows["n"].min(), rows["n"].max()
    return f"{low}" if low == high else f"{low} to {high}"


def _figure(comparison: Comparison, panels: list[Panel], data: pd.DataFrame, score: Score) -> Figure:
    bottom, top = _limits(data, score)

    def draw(axes: Axes, contender: Contender) -> None:
        if isinstance(contender, Panel) and not comparison.is_baseline(contender):
            _lines(axes, _of(data, contender), bottom, top)
        else:
            _baseline(axes, data[data["regularizer"] == contender.regularizer])

    ring = Line2D([], [], color=style.INK, linestyle="", label="chosen", **_RING)
    handles: list[Any] = [ring] if data["chosen"].any() else []
    if (data["plateau_low"] < data["plateau_high"]).any():
        handles.append(
            Patch(facecolor="white", edgecolor=style.INK, linewidth=0, label="plateau", **_PLATEAU)
        )
    handles.append(Patch(facecolor=style.GREY, alpha=0.3, label="baseline, 95%"))
    y_label = f"{score.what.capitalize()}{f' ({score.unit.strip()})' * bool(score.unit)}"
    titles = [_title(panel) for panel in panels]
    figure = small_multiples(
        comparison, panels, draw, "Strength", y_label, handles, share_x=False, titles=titles
    )
    margin = 0.06 * (top - bottom) or 1.0
    figure.axes[0].set_ylim(bottom - margin, top + margin)
    keys: dict[float, int] = {}  # lines of the tallest one in each row of panels
    for axes, panel in zip(figure.axes, panels, strict=True):
        mine = _of(data, panel)
        below = [words for words in (plateau(mine), uncertainty(mine)) if words]
        axes.set_xlabel("\n".join(below), fontsize=_SMALL)
        set_axis(axes, mine)
        if mine["line"].any() and mine["line"].nunique() <= len(_STYLES):
            row = axes.get_position().y0
            keys[row] = max(_key(axes, len(below)), keys.get(row, 0))
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + sum(keys.values()) * 1.25 * _SMALL / 72)  # not of the panels
    return figure


def _key(axes: Axes, lines: int) -> int:
    """The panel's own lines, below so many lines of text below the axis; how many lines they take."""
    assert axes.figure is not None
    handles, labels = axes.get_legend_handles_labels()
    columns = 2 if max(map(len, labels)) <= _SHORT else 1
    down = ScaledTranslation(0, -(_TICKS + 1.25 * _SMALL * lines) / 72, axes.figure.dpi_scale_trans)
    axes.legend(
        handles,
        labels,
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        bbox_transform=axes.transAxes + down,
        ncols=columns,
        fontsize=_SMALL,
        handlelength=2.2,
        columnspacing=0.8,
        labelspacing=0.2,
        borderaxespad=0,
        borderpad=0,
    )
    return ceil(len(labels) / columns)


def _title(panel: Panel) -> str:
    label = methods.method(panel.regularizer).label
    return style.plain("\n".join(style.broken(f"{label} ({panel.axis})" if panel.axis else label, TITLE)))


def _limits(data: pd.DataFrame, score: Score) -> tuple[float, float]:
    """Means that are not far below the rest, and the usual interval around the highest and the lowest."""
    mean, percent = data["mean"], score.factor == 100
    near = mean >= mean.groupby(data["regularizer"]).max().min() - _REACH if percent else mean.notna()
    low, high = float(mean[near].min()), float(mean[near].max())
    reach = min(float(data["half"].median()), max(high - low, 0.5)) if data["half"].notna().any() else 0.1
    return low - reach, min(high + reach, 100) if percent else high + reach


def _baseline(axes: Axes, mine: pd.DataFrame) -> None:
    best = mine[is_best(mine)].iloc[0]
    mean, half = best["mean"], best["half"]
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
    if many := mine["line"].nunique() > len(_STYLES):
        rest = mine[~mine["at"] & (mine["mean"] >= bottom)]
        axes.plot(rest["x"], rest["mean"], color=look.colour, alpha=0.35, linestyle="", **_REST)
    shown = mine[mine["at"]] if many else mine
    for (line, points), linestyle in zip(shown.groupby("line", sort=False), cycle(_STYLES)):
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


def _said(data: pd.DataFrame, panels: list[Panel]) -> str:
    """Of each regularizer once."""
    found = []
    for contender in {panel.regularizer: panel for panel in panels}.values():
        mine = _of(data, contender)
        chosen = mine[mine["chosen"]]
        strengths = [methods.strength_label(contender.regularizer, each) for each in chosen["strength"]]
        words = [methods.method(contender.regularizer).label, *strengths, plateau(mine), uncertainty(mine)]
        found.append(", ".join(filter(None, words)))
    return "; ".join(found)
