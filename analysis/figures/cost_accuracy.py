"""What accuracy costs: the work of training relative to the baseline's, against test accuracy.

Work is in seconds of cores, so that neither ranks nor waiting count; where results of earlier versions have
none it is time. Only what was trained in the same circumstances is compared.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from analysis.figures.parts import style
from analysis.figures.parts.bands import of_contender
from analysis.figures.parts.even_pages import Page
from analysis.figures.parts.measured_layout import MeasuredLayout
from analysis.figures.parts.save import Drawing
from analysis.figures.parts.subject import CannotDrawError, Subject
from analysis.notation import methods
from analysis.notation.intervals import Interval, interval
from analysis.notation.number_text import plus_minus
from analysis.statistics.contenders import Comparison, Contender
from analysis.statistics.training_cost import WORK, circumstances, cost_column
from analysis.tables.store_tables import digest
from analysis.text.caption_phrases import name, reference, span, where

_PROBLEMS_A_PAGE, _ENTRIES_A_PAGE = 6, 14
_NAME = 20  # characters of a name in the legend, on a line
_FEW = (0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)
_MORE = (0.25, 0.5, 0.7, 1, 1.5, 2, 3, 4)
_MANY = (0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.5, 2)


def draw(subject: Subject) -> Iterator[Drawing]:
    """A panel a problem."""
    found = [each for each in subject.comparisons if each.baseline and each.challengers]
    column = cost_column(each.done(contender) for each in found for contender in each.contenders)
    tables = {each.slug: costs(each, column) for each in found}
    apart = [words for each in found for words in _apart(each, tables[each.slug])]
    found = [each for each in found if len(tables[each.slug]) > 1]
    if not found:
        raise CannotDrawError(
            f"trained otherwise than the baseline: {', '.join(apart)}"
            if apart
            else "no problem has finished runs both of a baseline and of what is compared with it"
        )
    names = _entries(found)
    every = [
        (found[start : start + _PROBLEMS_A_PAGE], names[first : first + _ENTRIES_A_PAGE])
        for start in range(0, len(found), _PROBLEMS_A_PAGE)
        for first in range(0, len(names), _ENTRIES_A_PAGE)
    ]
    for number, (shown, entries) in enumerate(every, 1):
        few = [
            _of(tables[each.slug], {*entries, each.baseline.regularizer}) for each in shown if each.baseline
        ]
        yield _drawing(subject.name("cost_accuracy"), Page(number, len(every)), shown, few, apart)


def _entries(shown: Sequence[Comparison]) -> list[str]:
    """All that are compared with the baseline, each once."""
    return list(dict.fromkeys(each.regularizer for comparison in shown for each in comparison.challengers))


def _of(table: pd.DataFrame, entries: Collection[str]) -> pd.DataFrame:
    return table[table["regularizer"].isin(entries)].reset_index(drop=True)


def costs(comparison: Comparison, column: str) -> pd.DataFrame:
    """A row a contender: `cost`, its mean over the baseline's, and accuracy in % with its half.

    Runs of one pack share one measured cost, so costs have no interval over seeds; `packs` counts them.
    `measured_by` is the results' column that they are of. What was trained in other circumstances than the
    baseline is left out; empty where the baseline has no run that did not diverge.
    """
    assert comparison.baseline
    baseline = comparison.done(comparison.baseline)
    reference = baseline[column].mean()
    rows = []
    for contender in comparison.contenders:
        done = comparison.done(contender)
        accuracy = interval(100 * done["test_accuracy"])
        if accuracy.n and reference > 0 and circumstances(done) == circumstances(baseline):
            rows.append(
                {
                    **vars(comparison.problem),
                    **vars(contender),
                    "n": accuracy.n,
                    "packs": done["pack_id"].nunique(),
                    "cost": done[column].mean() / reference,
                    "measured_by": column,
                    "accuracy": accuracy.mean,
                    "accuracy_half": accuracy.half,
                }
            )
    return pd.DataFrame(rows)


def _apart(comparison: Comparison, table: pd.DataFrame) -> Iterator[str]:
    """The contenders that are left out for their circumstances."""
    for contender in comparison.challengers:
        if len(comparison.done(contender)) and (table.empty or of_contender(table, contender).empty):
            yield f"{name(contender)} on {where(comparison.problem)}"


def _drawing(
    file: str, page: Page, shown: Sequence[Comparison], tables: Sequence[pd.DataFrame], apart: Sequence[str]
) -> Drawing:
    data = pd.concat(tables, ignore_index=True)
    said = "; ".join(_said(each, table) for each, table in zip(shown, tables, strict=True))
    n = span(data["n"])
    work = data["measured_by"].iloc[0] == WORK
    cost = "work of training" if work else "training time"
    how = (
        "in seconds of cores, on a GPU of the GPU, of all ranks; it is taken as the runs came"
        if work
        else "taken as the runs came, on machines that may have been busy"
    )
    left_out = f" Not compared, as trained with other ranks, threads or processors: {', '.join(apart)}."
    return Drawing(
        name=file + page.suffix,
        page=[page],
        figure=_figure(shown, tables, cost),
        data=data,
        caption=(
            f"{cost.capitalize()} relative to training with "
            f"{reference(shown[0])} ({how}; a pack's is shared out among "
            "its runs; measurements are not in it) against test accuracy, means over seeds "
            f"({n}), accuracies with 95% t-intervals, on "
            f"{', '.join(where(each.problem) for each in shown)}. "
            f"Strengths: {shown[0].rule}." + (left_out if apart else "")
        ),
        alt=(
            f"Scatter plot of relative {cost} and test accuracy, a marker for each technique, "
            f"means over seeds ({n}). {said}."
        ),
        summary=f"{cost} relative to {reference(shown[0])}: {said}",
        band="95% t-interval of the mean accuracy over seeds",
        n={
            f"{where(each.problem)}: {name(contender)}": len(each.done(contender))
            for each in shown
            for contender in each.contenders
        },
        inputs=digest(data),
    )


def _said(comparison: Comparison, table: pd.DataFrame) -> str:
    parts = []
    for contender in comparison.challengers:
        for _, row in of_contender(table, contender).iterrows():
            accuracy = plus_minus(Interval(row["n"], row["accuracy"], row["accuracy_half"]))
            parts.append(f"{name(contender)} {row['cost']:.2f} times, {accuracy} %")
    return f"{where(comparison.problem)}: {'; '.join(parts)}"


def _figure(shown: Sequence[Comparison], tables: Sequence[pd.DataFrame], cost: str) -> Figure:
    columns = min(len(shown), 2 if len(shown) in (2, 4) else 3)
    rows = math.ceil(len(shown) / columns)
    present = {name for table in tables for name in table["regularizer"]}
    baselines = (each.baseline.regularizer for each in shown if each.baseline)
    entries = dict.fromkeys([*baselines, *_entries(shown)])
    looks = [methods.method(each) for each in entries if each in present]
    labels = ["\n".join(style.broken(look.label, _NAME)) for look in looks]
    height = max(0.5 + 2.3 * rows, 0.2 + sum(0.08 + 0.14 * (1 + label.count("\n")) for label in labels))
    figure = Figure(figsize=(style.text_width(style.WIDE), height), layout=MeasuredLayout("right"))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, each, table in zip(grid.flat, shown, tables, strict=False):
        for contender in each.contenders:
            _mark(axes, of_contender(table, contender), contender)
        _set_axis(axes, table)
        axes.set_title(style.plain(where(each.problem)), **style.TITLE)
    for axes in grid.flat[len(shown) :]:
        axes.remove()
    figure.supxlabel(style.plain(f"{cost.capitalize()} relative to {reference(shown[0])}"), fontsize=8)
    figure.supylabel("Test accuracy (%)", fontsize=8)
    handles = [
        Line2D(
            [],
            [],
            color=look.colour,
            marker=look.marker,
            markersize=_size(look),
            linestyle="",
            label=style.plain(label),
        )
        for look, label in zip(looks, labels, strict=True)
    ]
    figure.legend(handles=handles, loc="outside right center", labelspacing=0.6, handletextpad=0.3)
    return figure


def _mark(axes: Axes, row: pd.DataFrame, contender: Contender) -> None:
    look = methods.method(contender.regularizer)
    for _, each in row.iterrows():
        x, y, half = each["cost"], each["accuracy"], each["accuracy_half"]
        axes.vlines(x, y - half, y + half, color=look.colour, linewidth=0.7, alpha=0.5)
        axes.plot(x, y, marker=look.marker, linestyle="", color=look.colour, markersize=_size(look))


def _size(look: methods.Method) -> float:
    """Of a marker; numbers have to be read."""
    return 8 if look.marker.startswith("$") else 4.5


def _set_axis(axes: Axes, table: pd.DataFrame) -> None:
    """Ratios are on a logarithmic axis: half the time is as far from 1 as twice the time."""
    low, high = min(table["cost"].min(), 0.9), max(table["cost"].max(), 1.12)
    reach = (high / low) ** 0.08
    axes.set_xscale("log")
    axes.set_xlim(low / reach, high * reach)
    ticks = _FEW if high / low > 4 else _MORE if high / low > 2 else _MANY
    axes.set_xticks([tick for tick in ticks if low / reach <= tick <= high * reach])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.axvline(
        1, color=style.GREY, linewidth=0.6, linestyle=":", zorder=0.5
    )  # below the baseline's interval
