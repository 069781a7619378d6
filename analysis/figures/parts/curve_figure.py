"""What the figures of learning curves share: from a comparison to finished drawings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.parts import style
from analysis.figures.parts.bands import LineStyle, band_line, of_contender
from analysis.figures.parts.panels import band_handle, pages, small_multiples
from analysis.figures.parts.save import Drawing
from analysis.figures.parts.subject import CannotDrawError, Subject
from analysis.statistics.contenders import Comparison, Contender
from analysis.statistics.scores import Score
from analysis.text.caption_phrases import band, counts, notes, of, reference, scores, summary


@dataclass(frozen=True)
class Plot:
    """The numbers of one problem's curves (see `learning_curves.curves`) and their axis.

    `set_axis` sets the shared y axis, from all the numbers, so that the pages of one problem look
    alike; `note` says in the caption what is special about it.
    """

    data: pd.DataFrame
    set_axis: Callable[[Axes], object]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class CurveFigure:
    """One kind of figure: which curves, their line styles by series, and what they are called."""

    name: str
    what: str
    lines: Mapping[str, LineStyle]
    y_label: str
    plot: Callable[[Comparison], Plot]
    score: Score

    def draw(self, subject: Subject) -> Iterator[Drawing]:
        """One page for every sixteen contenders."""
        comparison = subject.comparison
        if comparison.metrics.empty:
            raise CannotDrawError("every run diverged")
        if "test" not in set(comparison.metrics["split"]):
            raise CannotDrawError(
                "of runs on tune seeds only the validation part is measured, unless the sweep has "
                "`evaluation: {tune: all}` when they are trained"
            )
        plot = self.plot(comparison)
        what = f"{of(comparison)}: {self.what} by epoch{self._basis(comparison)}"
        for page, panels in pages(comparison):
            figure = self._figure(comparison, panels, plot)
            yield Drawing(
                name=f"{subject.name(self.name)}{page.suffix}",
                page=[page],
                figure=figure,
                data=plot.data,
                caption=f"{what}. {notes(comparison, comparison.metrics)}{plot.note}{_stopped(plot.data)}",
                alt=(
                    f"{len(panels)} small panels of curves, one for each regularizer, with the curve "
                    f"with {reference(comparison)} in grey in each. At the end, {self.score.what}: "
                    f"{scores(comparison, self.score)}."
                ),
                summary=summary(comparison, self.score),
                band=band(comparison, comparison.metrics) + ("" if comparison.run_id else plot.note),
                n=counts(comparison, comparison.metrics),
                inputs=comparison.digest,
            )

    def _basis(self, comparison: Comparison) -> str:
        """On how many examples the curves were measured; older tables do not say."""
        found = comparison.metrics.groupby("split")["examples"].max().dropna()
        splits = {"train": "training", "test": "test"}
        shown = [split for split in splits if split in self.lines] or list(splits)
        if not {*shown} <= {*found.index}:
            return ""
        return (
            ", on " + " and ".join(f"{int(found[split]):,} {splits[split]}" for split in shown) + " examples"
        )

    def _figure(self, comparison: Comparison, panels: Sequence[Contender], plot: Plot) -> Figure:
        from matplotlib.lines import Line2D
        from matplotlib.ticker import MaxNLocator

        def draw(axes: Axes, contender: Contender) -> None:
            mine = of_contender(plot.data, contender)
            for series, linestyle in self.lines.items():
                band_line(axes, mine[mine["series"] == series], "epoch", contender, linestyle)

        looks = self.lines if len(self.lines) > 1 else {}
        handles = [
            Line2D([], [], color=style.INK, linestyle=look, label=name) for name, look in looks.items()
        ]
        figure = small_multiples(
            comparison, panels, draw, "Epoch", self.y_label, [*handles, band_handle(comparison)]
        )
        plot.set_axis(figure.axes[0])
        figure.axes[0].xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True, steps=[1, 2, 5, 10]))
        return figure


def _stopped(data: pd.DataFrame) -> str:
    """That lines end before others, in a sentence."""
    ends = data.groupby(["regularizer", "strength"], dropna=False)["epoch"].max()
    return " A line ends where the first of its runs was stopped." if ends.nunique() > 1 else ""
