"""Forest plot: every technique's difference to the baseline on every problem, with its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.compare import compare
from analysis.comparison import BASELINE, Comparison, Contender, of_problem
from analysis.figures import style
from analysis.figures.save import Drawing
from analysis.figures.subject import CannotDrawError, Subject
from analysis.figures.words import in_order, name, span, where
from analysis.intervals import Interval
from analysis.numbers import plus_minus
from analysis.tables import digest

_PROBLEMS_A_PAGE = 3
_ROW = 0.21  # inches


def draw(subject: Subject) -> Iterator[Drawing]:
    """A column a problem, the same rows in each."""
    tables = subject.comparisons[0].tables
    rows = compare(tables)
    rows = rows[(rows["regularizer"] != BASELINE) & rows["difference"].notna()].reset_index(drop=True)
    if rows.empty:
        raise CannotDrawError(f"no regularizer has a seed in common with {BASELINE!r} on any problem")
    found = [each for each in subject.comparisons if of_problem(rows, each.problem).any()]
    for page, start in enumerate(range(0, len(found), _PROBLEMS_A_PAGE), 1):
        shown = found[start : start + _PROBLEMS_A_PAGE]
        suffix = f"-{page}" if len(found) > _PROBLEMS_A_PAGE else ""
        yield _drawing(subject.name("forest") + suffix, shown, rows)


def _drawing(file: str, shown: Sequence[Comparison], rows: pd.DataFrame) -> Drawing:
    mine = pd.concat([rows[of_problem(rows, each.problem)] for each in shown], ignore_index=True)
    pairs = span(mine["n_pairs"])
    refused = mine["refused"].dropna()
    return Drawing(
        name=file,
        figure=_figure(shown, mine),
        data=mine,
        caption=(
            f"Difference in test accuracy to training without a regularizer, paired by seed ({pairs} "
            "pairs of runs), "
            f"with 95% t-intervals, on {', '.join(where(each.problem) for each in shown)}. Filled and †: "
            f"significant at 5% ({mine['test'].iloc[0]}; {mine['correction'].iloc[0]} of a problem). "
            f"Shaded: the region of practical equivalence, ±{mine['rope'].iloc[0]:g} percentage points. "
            + (f"Without a conclusion where seeds are too few: {refused.iloc[0]}. " if len(refused) else "")
            + f"Strengths: {mine['rule'].iloc[0]}."
        ),
        alt=(
            f"Forest plot: a row for each regularizer, a column for each problem; {pairs} pairs of runs. "
            f"{_said(shown, mine)}."
        ),
        summary=f"test accuracy against no regularizer: {_largest(shown, mine)}",
        band="95% t-interval of the mean difference over seeds",
        n={f"{problem}: {contender}": n for problem, contender, n, _ in _differences(shown, mine)},
        inputs=digest(mine),
    )


def _figure(shown: Sequence[Comparison], rows: pd.DataFrame) -> Figure:
    order = in_order(Contender(*pair) for pair in rows[["regularizer", "strength"]].itertuples(index=False))
    by_strength = len(shown) == 1 or any(
        rows[of_problem(rows, each.problem)]["regularizer"].duplicated().any() for each in shown
    )
    keys = order if by_strength else list(dict.fromkeys(Contender(each.regularizer, "") for each in order))
    figure = Figure(figsize=(style.TWO_COLUMNS, 1.25 + _ROW * len(keys)), layout="constrained")
    grid = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axes, each in zip(grid, shown, strict=True):
        mine = rows[of_problem(rows, each.problem)]
        _column(axes, mine, keys, by_strength)
        title = style.plain(where(each.problem))
        axes.set_title(title.replace(" (", "\n(") if len(shown) > 1 else title, linespacing=1.15)
    labels = [name(key) if by_strength else style.method(key.regularizer).label for key in keys]
    grid[0].set_yticks(range(len(keys)), [style.plain(label) for label in labels])
    grid[0].set_ylim(len(keys) - 0.4, -0.6)
    figure.supxlabel("Difference in test accuracy to no regularizer (percentage points)", fontsize=8)
    look: dict[str, Any] = {"color": style.INK, "marker": "o", "linestyle": "-", "linewidth": 0.9}
    figure.legend(
        handles=[
            Line2D([], [], **look, label="significant after Holm (†)"),
            Line2D([], [], **look, markerfacecolor="white", label="not significant, or not tested"),
            Patch(facecolor=style.GREY, alpha=0.25, label="practically equivalent"),
        ],
        loc="outside upper center",
        ncols=3,
    )
    return figure


def _column(axes: Axes, mine: pd.DataFrame, keys: Sequence[Contender], by_strength: bool) -> None:
    rope = mine["rope"].iloc[0]
    axes.axvspan(-rope, rope, color=style.GREY, alpha=0.25, linewidth=0)
    axes.axvline(0, color=style.INK, linewidth=0.6)
    low, high = _limits(mine, rope)
    axes.set_xlim(low, high)
    for _, row in mine.iterrows():
        key = Contender(row["regularizer"], row["strength"] if by_strength else "")
        _mark(axes, row, keys.index(key))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=5)


def _limits(mine: pd.DataFrame, rope: float) -> tuple[float, float]:
    """All differences, their intervals up to thrice the usual one's width, the region of equivalence."""
    half = mine["difference_half"].fillna(0.0)
    half = half.clip(upper=3 * half.median())
    low = min(float((mine["difference"] - half).min()), -2 * rope)
    high = max(float((mine["difference"] + half).max()), 2 * rope)
    margin = 0.04 * (high - low)
    return low - margin, high + margin


def _mark(axes: Axes, row: pd.Series, y: int) -> None:
    look = style.method(row["regularizer"])
    significant = row["significant"] in (True,)  # neither missing nor None is
    x, half = row["difference"], row["difference_half"]
    if pd.notna(half):
        axes.plot([x - half, x + half], [y, y], color=look.colour, linewidth=1.0)
        low, high = axes.get_xlim()
        for end, caret in ((low, 8), (high, 9)):  # where an interval goes on
            if not low <= x + math.copysign(half, end - x) <= high:
                axes.plot(end, y, marker=caret, color=look.colour, markersize=5, clip_on=False)
    face = look.colour if significant else "white"
    axes.plot(x, y, look.marker, color=look.colour, markerfacecolor=face, markersize=4.5, markeredgewidth=0.9)
    words = plus_minus(Interval(int(row["n_pairs"]), x, half), signed=True) + "†" * significant
    axes.text(1.02, y, words, transform=axes.get_yaxis_transform(), va="center", fontsize=7)


def _differences(shown: Sequence[Comparison], rows: pd.DataFrame) -> Iterator[tuple[str, str, int, str]]:
    """Of every problem and contender: their names, the number of pairs, the difference for people."""
    for each in shown:
        for _, row in rows[of_problem(rows, each.problem)].iterrows():
            found = Interval(int(row["n_pairs"]), row["difference"], row["difference_half"])
            contender = Contender(row["regularizer"], row["strength"])
            yield where(each.problem), name(contender), found.n, f"{plus_minus(found, signed=True)} pp"


def _said(shown: Sequence[Comparison], rows: pd.DataFrame) -> str:
    """Every difference, problem by problem."""
    said: dict[str, list[str]] = {}
    for problem, contender, _, words in _differences(shown, rows):
        said.setdefault(problem, []).append(f"{contender} {words}")
    return ". ".join(f"{problem}: {'; '.join(parts)}" for problem, parts in said.items())


def _largest(shown: Sequence[Comparison], rows: pd.DataFrame) -> str:
    """The largest difference of every problem, and how many are significant."""
    said = []
    for each in shown:
        mine = rows[of_problem(rows, each.problem)]
        best = mine.loc[[mine["difference"].idxmax()]]
        significant = sum(value in (True,) for value in mine["significant"])
        ((_, contender, _, words),) = _differences([each], best)
        count = f"{significant} of {len(mine)} significant"
        said.append(f"{where(each.problem)}: {contender} {words} is the largest, {count}")
    return "; ".join(said)
