"""Accuracy on corrupted images by the severity of the corruption."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.parts.bands import SHARES, accuracies, band_line, of_contender, over
from analysis.figures.parts.even_pages import columns
from analysis.figures.parts.learning_curves import limits
from analysis.figures.parts.matrix import ROWS_A_PAGE, matrix
from analysis.figures.parts.panels import band_handle, pages
from analysis.figures.parts.save import Drawing
from analysis.figures.parts.subject import Subject
from analysis.notation.methods import method
from analysis.notation.number_text import number
from analysis.statistics.contenders import Comparison, Contender
from analysis.tables.store_tables import digest
from analysis.text.caption_phrases import counts, name, notes, of, reference, seeds

ALL = "all of them"  # the mean over corruptions
_CELL = ("regularizer", "strength", "corruption", "severity")


def draw(subject: Subject) -> Iterator[Drawing]:
    """A row a contender, a column a corruption, that of all of them first; means over seeds."""
    comparison = subject.comparison
    rows = comparison.corruptions
    data = _with_all(rows)
    examples = int(rows["examples"].max())
    for page, panels in pages(comparison, ROWS_A_PAGE):
        for part, corruptions in columns(data["corruption"], by="corruptions"):
            yield Drawing(
                name=subject.name("corruption_curves") + page.suffix + part.suffix,
                page=[page, part],
                figure=_figure(comparison, panels, corruptions, data),
                data=data,
                caption=(
                    f"{of(comparison)}: accuracy on {examples} test images (0) and on corrupted copies of "
                    f"these, by the severity that was published with them. {SHARES.capitalize()}. "
                    f"{notes(comparison, rows, over(rows))}"
                ),
                alt=(
                    f"Curves of accuracy that fall with severity, a row for each of {len(panels)} "
                    f"regularizers, a column for each corruption ({', '.join(corruptions)}), the curve "
                    f"with {reference(comparison)} in grey. Mean accuracy over corruptions at the highest "
                    f"severity ({seeds(comparison, rows=rows)}): {_ends(comparison, data)}."
                ),
                summary=f"{of(comparison)}, accuracy on corrupted images: {_ends(comparison, data)}",
                band=f"95% interval of the mean over {over(rows)}, by arcsine square roots",
                n=counts(comparison, rows),
                inputs=digest(rows),
            )


def _with_all(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds in percent by `_CELL`, the mean over corruptions first."""
    return pd.concat([accuracies(rows.assign(corruption=ALL), _CELL), accuracies(rows, _CELL)])


def _figure(
    comparison: Comparison, panels: list[Contender], corruptions: list[str], data: pd.DataFrame
) -> Figure:
    def cell(axes: Axes, contender: Contender, label: str) -> None:
        line = of_contender(data, contender)
        marker = method(contender.regularizer).marker
        shown = line[line["corruption"].map(_words) == label]
        band_line(axes, shown, "severity", contender, marker=marker)

    labels = [_words(corruption) for corruption in corruptions]
    figure = matrix(
        comparison,
        panels,
        labels,
        cell,
        "Severity of the corruption (0: none)",
        "Accuracy (%)",
        [band_handle(comparison)],
    )
    low, high = limits(data)
    for axes in figure.axes:
        axes.set_ylim(max(low, -3), min(high, 103))
        axes.set_xticks(range(int(data["severity"].max()) + 1))
        axes.locator_params(axis="y", nbins=3)
    return figure


def _words(corruption: str) -> str:
    return corruption.replace("_", " ")


def _ends(comparison: Comparison, data: pd.DataFrame) -> str:
    """Mean accuracies at the highest severity: the best, and the baseline's."""
    last = data[(data["corruption"] == ALL) & (data["severity"] == data["severity"].max())]
    values = {
        each: of_contender(last, each)["mean"].max()
        for each in comparison.contenders
        if not comparison.unstable(each) or each == comparison.baseline
    }
    best = max(values, key=lambda contender: values[contender])
    shown = dict.fromkeys([best, comparison.baseline or best])
    return " vs ".join(f"{name(each)} {number(values[each], 1)} %" for each in shown)
