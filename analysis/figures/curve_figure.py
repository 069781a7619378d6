"""What the figures of learning curves share: from a comparison to finished drawings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes

from analysis.comparison import Comparison
from analysis.figures.panels import Lines, pages, small_multiples
from analysis.figures.save import Drawing
from analysis.figures.subject import CannotDrawError, Subject
from analysis.figures.words import band, name, notes, of, scores, summary
from analysis.scores import Score


@dataclass(frozen=True)
class Plot:
    """The numbers of one problem's curves (see `figures.curves.curves`) and their axis.

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
    lines: Lines
    y_label: str
    plot: Callable[[Comparison], Plot]
    score: Score

    def draw(self, subject: Subject) -> Iterator[Drawing]:
        """One page for every sixteen contenders."""
        comparison = subject.comparison
        if comparison.metrics.empty:
            raise CannotDrawError("every run diverged")
        plot = self.plot(comparison)
        for suffix, panels in pages(comparison):
            figure = small_multiples(comparison, panels, plot.data, self.lines, self.y_label, plot.set_axis)
            yield Drawing(
                name=f"{subject.name(self.name)}{suffix}",
                figure=figure,
                data=plot.data,
                caption=f"{of(comparison)}: {self.what} by epoch. {notes(comparison)}{plot.note}",
                alt=(
                    f"{len(panels)} small panels of curves, one for each regularizer, with the curve "
                    f"without a regularizer in grey in each. At the end, {self.score.what}: "
                    f"{scores(comparison, self.score)}."
                ),
                summary=summary(comparison, self.score),
                band=band(comparison) + ("" if comparison.run_id else plot.note),
                n={name(contender): len(comparison.done(contender)) for contender in comparison.contenders},
                inputs=comparison.digest,
            )
