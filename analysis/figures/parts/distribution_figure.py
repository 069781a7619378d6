"""What the figures of predictions' distributions share: right and wrong ones, in a panel a contender."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log

import numpy as np
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
from analysis.statistics.contenders import Comparison, Contender
from analysis.statistics.predicted_probabilities import auroc, classes, examples
from analysis.tables.store_tables import digest
from analysis.text.caption_phrases import counts, intervals, leader, left_out, of, reference, seeds

BINS = 20
LINES: dict[str, LineStyle] = {"right": "-", "wrong": ":"}


@dataclass(frozen=True, kw_only=True)
class DistributionFigure:
    """A column of `analysis.statistics.predicted_probabilities.examples`, in bins over its whole range.

    `sign` is −1 where wrong predictions have the higher values.
    """

    name: str
    what: str
    column: str
    x_label: str
    sign: int = 1

    def draw(self, subject: Subject) -> Iterator[Drawing]:
        """Shares of the right and of the wrong predictions, of all runs together."""
        comparison = subject.comparison
        rows = examples(comparison)
        if rows.empty:
            raise CannotDrawError("no predictions of these runs were kept")
        k = classes(comparison)
        data = self._shares(rows, np.linspace(*self._range(k), BINS + 1))
        separation = self._separation(rows)
        said = intervals(comparison, separation, "auroc")
        for suffix, panels in pages(comparison):
            yield Drawing(
                name=subject.name(self.name) + suffix,
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
                    f"{leader(comparison, separation, 'auroc', True)}"
                ),
                band="none",
                n=counts(comparison, rows),
                inputs=digest(rows),
            )

    def _range(self, k: int) -> tuple[float, float]:
        return (1 / k, 1.0) if self.column == "confidence" else (0.0, log(k))

    def _shares(self, rows: pd.DataFrame, edges: np.ndarray) -> pd.DataFrame:
        """Columns: regularizer, strength, series (right or wrong), low, high, count, share."""
        found = []
        for (regularizer, strength, right), mine in rows.groupby(["regularizer", "strength", "right"]):
            values = mine[self.column].clip(edges[0], edges[-1])
            count, _ = np.histogram(values, edges)
            bins = {"low": edges[:-1], "high": edges[1:], "count": count, "share": count / len(mine)}
            cell = {"regularizer": regularizer, "strength": strength, "series": "right" if right else "wrong"}
            found.append(pd.DataFrame(cell | bins))
        return pd.concat(found, ignore_index=True)

    def _separation(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The area under the ROC curve of every run, as the column `auroc`."""
        keys = ["regularizer", "strength", "seed"]
        found = [
            (*key, auroc(self.sign * mine[self.column].to_numpy(), mine["right"].to_numpy()))
            for key, mine in rows.groupby(keys)
        ]
        return pd.DataFrame(found, columns=[*keys, "auroc"])

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
        first.set_ylim(floor, 1.3)
        first.margins(x=0)
        return figure
