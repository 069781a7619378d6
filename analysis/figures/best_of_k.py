"""What tuning buys: the expected accuracy of the best of k strengths, against the runs that it takes."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from analysis.figures.parts import style
from analysis.figures.parts.bands import SHARES, share_ends
from analysis.figures.parts.panels import TITLE, pages, small_multiples
from analysis.figures.parts.save import Drawing
from analysis.figures.parts.subject import CannotDrawError, Subject
from analysis.notation import methods
from analysis.notation.intervals import Interval
from analysis.notation.number_text import plus_minus
from analysis.statistics.best_of_k import best_of_k
from analysis.statistics.contenders import Comparison, Contender
from analysis.tables.store_tables import digest
from analysis.text.caption_phrases import of

_REACH = 10  # percentage points below where a curve ends: what is lower is marked at the bottom


def draw(subject: Subject) -> Iterator[Drawing]:
    """A panel for each regularizer with more than one strength; the baseline is a line in each."""
    comparison = subject.comparison
    data = best_of_k(comparison)
    if data.empty:
        raise CannotDrawError("no strength was chosen on two tune seeds or more")
    tried = set(data.loc[data["settings"] > 1, "regularizer"])
    panels = [each for each in comparison.challengers if each.regularizer in tried]
    if not panels:
        raise CannotDrawError("no regularizer has more than one strength, so there is nothing to tune")
    low, high = share_ends(data["mean"], data["half"])
    data = data.assign(low=low, high=high)
    rule = (
        "every repetition scores what the one before it chose"
        if comparison.tables.repetitions > 1
        else "every seed scores what the others chose"
    )
    n, part = f"n = {data['n'].max()}", data["split"].iloc[0]
    for page, shown in pages(comparison, panels=panels):
        yield Drawing(
            name=subject.name("best_of_k") + page.suffix,
            page=[page],
            figure=_figure(comparison, shown, data),
            data=data,
            caption=(
                f"{of(comparison)}: expected {part} accuracy of the best of k strengths, drawn at random "
                f"from those that were tried and chosen on tune seeds ({rule}, {n}). Bands hold with 95% for "
                f"a technique's whole curve (Bonferroni over k); {SHARES}. A caret at the bottom: a score "
                "below the axis. Diverged runs count as constant guesses."
            ),
            alt=(
                f"{len(shown)} small panels, one for each regularizer, with {part} accuracy by the number of "
                f"strengths to choose from, the baseline's as a grey line; {n}. {_said(data, panels)}."
            ),
            summary=f"{of(comparison)}, best of one strength and of all: {_said(data, panels)}",
            band="95% t-interval over the seeds that score, for all k of a technique at once",
            n={str(name): int(mine["n"].max()) for name, mine in data.groupby("regularizer")},
            inputs=digest(data),
        )


def _figure(comparison: Comparison, panels: list[Contender], data: pd.DataFrame) -> Figure:
    bottom, top = _limits(data[data["regularizer"].isin([each.regularizer for each in panels])])

    def one(axes: Axes, contender: Contender) -> None:
        mine = data[data["regularizer"] == contender.regularizer]
        look = methods.method(contender.regularizer)
        if comparison.is_baseline(contender) and len(mine) == 1:
            axes.axhline(mine["mean"].iloc[0], color=look.colour)
            axes.axhspan(
                mine["low"].iloc[0], mine["high"].iloc[0], color=look.colour, alpha=0.15, linewidth=0
            )
            return
        axes.fill_between(mine["runs"], mine["low"], mine["high"], color=look.colour, alpha=0.2, linewidth=0)
        axes.plot(mine["runs"], mine["mean"].clip(lower=bottom), marker=look.marker, color=look.colour)
        below = mine["runs"][mine["mean"] < bottom]
        axes.plot(below, [bottom] * len(below), marker=11, color=look.colour, linestyle="", markersize=6)

    figure = small_multiples(
        comparison,
        panels,
        one,
        "Runs that the choice takes",
        f"{str(data['split'].iloc[0]).capitalize()} accuracy (%)",
        [Patch(facecolor=style.INK, alpha=0.2, label="95%, whole curve")],
    )
    margin = 0.05 * (top - bottom)
    figure.axes[0].set_ylim(bottom - margin, top + margin)
    figure.axes[0].xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    for axes, contender in zip(figure.axes, panels, strict=True):
        words = style.broken(methods.method(contender.regularizer).label, TITLE)
        axes.set_title(style.plain("\n".join(words)), **style.TITLE)
    return figure


def _limits(shown: pd.DataFrame) -> tuple[float, float]:
    """The usual band around all means but those that lie far below where the curves end."""
    ends = shown[shown["k"] == shown["settings"]]["mean"]
    near = shown["mean"][shown["mean"] >= ends.min() - _REACH]
    reach = float(shown["half"].median()) if shown["half"].notna().any() else 0.0
    reach = min(max(reach, 0.2), _REACH)
    return max(near.min() - reach, 0.0), min(near.max() + reach, 100.0)


def _said(data: pd.DataFrame, panels: list[Contender]) -> str:
    parts = []
    for contender in panels:
        mine = data[data["regularizer"] == contender.regularizer]
        ends = [
            plus_minus(Interval(row["n"], row["mean"], row["half"])) for row in (mine.iloc[0], mine.iloc[-1])
        ]
        settings = mine["settings"].iloc[0]
        parts.append(
            f"{methods.method(contender.regularizer).label} {ends[0]} % and {ends[1]} % (of {settings})"
        )
    return "; ".join(parts)
