"""What the figures of predictions' distributions share: right and wrong ones, in a panel a contender."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures.parts import style
from analysis.figures.parts.bands import LineStyle, of_contender
from analysis.figures.parts.panels import pages, small_multiples
from analysis.figures.parts.save import Drawing
from analysis.figures.parts.subject import CannotDrawError, Subject
from analysis.notation import methods
from analysis.statistics.binned_predictions import binned
from analysis.statistics.contenders import Comparison, Contender
from analysis.text.caption_phrases import counts, intervals, leader, left_out, of, reference, seeds

LINES: dict[str, LineStyle] = {"right": "-", "wrong": ":"}


@dataclass(frozen=True, kw_only=True)
class DistributionFigure:
    """A value of `analysis.statistics.binned_predictions`, in bins over its whole range."""

    name: str
    what: str
    column: str
    x_label: str

    def draw(self, subject: Subject) -> Iterator[Drawing]:
        """Shares of the right and of the wrong predictions, of all runs together."""
        comparison = subject.comparison
        found = binned(comparison)
        if found is None:
            raise CannotDrawError("no predictions of these runs were kept")
        data, rows, separation = found.shares[self.column], found.runs, f"auroc_{self.column}"
        said = intervals(comparison, rows, separation)
        for page, panels in pages(comparison):
            yield Drawing(
                name=subject.name(self.name) + page.suffix,
                page=[page],
                figure=self._figure(comparison, panels, data),
                data=data,
                caption=(
                    f"{of(comparison)}: {self.what} of the test examples that are classified right (solid) "
                    "and wrong (dotted), as shares of each kind, on a logarithmic axis; the runs of all "
                    f"seeds together ({seeds(comparison, rows=rows)}). Strengths: {comparison.rule}."
                    f"{left_out(comparison, rows)}"
                ),
                alt=(
                    f"{len(panels)} small panels of histograms, one for each regularizer, with the one "
                    f"with "
                    f"{reference(comparison)} in grey. Area under the ROC curve when {self.what} tells right "
                    f"from wrong, means over seeds ({seeds(comparison, rows=rows)}): {said}."
                ),
                summary=(
                    f"{of(comparison)}, AUROC of {self.column} for right against wrong: "
                    f"{leader(comparison, rows, separation, True)}"
                ),
                band="none",
                n=counts(comparison, rows),
                inputs=found.digest,
            )

    def _figure(self, comparison: Comparison, panels: list[Contender], data: pd.DataFrame) -> Figure:
        floor = data.loc[data["share"] > 0, "share"].min() / 2

        def draw(axes: Axes, contender: Contender) -> None:
            colour = methods.method(contender.regularizer).colour
            mine = of_contender(data, contender)
            for series, linestyle in LINES.items():
                bins = mine[mine["series"] == series]
                if len(bins):
                    edges = [*bins["low"], bins["high"].iloc[-1]]
                    heights = bins["share"].clip(lower=floor)
                    axes.stairs(heights, edges, baseline=floor, color=colour, linestyle=linestyle)

        handles = [
            Line2D([], [], color=style.INK, linestyle=look, label=name) for name, look in LINES.items()
        ]
        figure = small_multiples(comparison, panels, draw, self.x_label, "Share of the predictions", handles)
        first = figure.axes[0]
        first.set_yscale("log")
        for axes in figure.axes:
            if not axes.get_subplotspec().is_first_col():  # type: ignore[union-attr]
                axes.tick_params(axis="y", which="minor", left=False)  # which are beside the numbers alone
        first.set_ylim(floor, 1.3)
        first.set_xlim(data["low"].min(), data["high"].max())
        return figure
