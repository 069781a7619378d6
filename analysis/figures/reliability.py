"""Reliability diagrams: accuracy by confidence, with the bins' counts and the calibration error."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.figures.parts import style
from analysis.figures.parts.bands import of_contender
from analysis.figures.parts.panels import pages, small_multiples
from analysis.figures.parts.save import Drawing
from analysis.figures.parts.subject import CannotDrawError, Subject
from analysis.notation import methods
from analysis.statistics.binned_predictions import binned
from analysis.statistics.contenders import Comparison, Contender
from analysis.statistics.predicted_probabilities import BINS
from analysis.text.caption_phrases import counts, intervals, leader, left_out, of, seeds

_BARS = 0.28  # of the panel's height is the bar of a bin that has all examples
_TICKS = (0, 0.5, 1)
_KEYS = ["regularizer", "strength", "seed"]
_SCALED = "ece_scaled"
FEWEST = 10  # examples of a bin that has a point: fewer say nothing about an accuracy


def draw(subject: Subject) -> Iterator[Drawing]:
    """A panel a contender; the bins hold the examples of all runs together, errors are means over runs."""
    comparison = subject.comparison
    found = binned(comparison)
    if found is None:
        raise CannotDrawError("no predictions of these runs were kept")
    data, rows = found.reliability, _with_scaled(comparison, found.runs)
    shown = {"ece": "bins of equal width:", "ece_mass": "of equal mass:"}
    if rows[_SCALED].notna().any():
        shown[_SCALED] = "of equal width at a temperature:"
    said = "; ".join(f"{what} {intervals(comparison, rows, column)}" for column, what in shown.items())
    scaled = " / of equal width at the temperature that fits the validation split best" * (_SCALED in shown)
    for page, panels in pages(comparison):
        yield Drawing(
            name=subject.name("reliability") + page.suffix,
            page=[page],
            figure=_figure(comparison, panels, data, rows[[*_KEYS, *shown]]),
            data=data,
            caption=(
                f"{of(comparison)}: accuracy of the test examples in {BINS} bins of confidence of equal "
                f"width, the runs of all seeds together ({seeds(comparison, rows=rows)}); on the diagonal "
                "confidence is what it claims to be. "
                f"Bins of fewer than {FEWEST} examples have no point. Bars: the examples in each bin, "
                "logarithmic. Below each panel: the expected calibration error (ECE) with bins of equal "
                f"width / of equal mass{scaled}, in percent, as means over runs; in brackets the baseline's. "
                f"Strengths: {comparison.rule}.{left_out(comparison, rows)}"
            ),
            alt=(
                f"{len(panels)} small reliability diagrams, one for each regularizer, with the one without a "
                "regularizer in grey. Expected calibration error in percent, means over seeds "
                f"({seeds(comparison, rows=rows)}), {said}."
            ),
            summary=f"{of(comparison)}, ECE in %: {leader(comparison, rows, 'ece', False)}",
            band="none",
            n=counts(comparison, rows),
            inputs=found.digest,
        )


def _with_scaled(comparison: Comparison, runs: pd.DataFrame) -> pd.DataFrame:
    """With a column of the error at a run's temperature, in percent; missing in what is older."""
    scaled = {
        (contender.regularizer, contender.strength, seed): 100 * value
        for contender in comparison.contenders
        for seed, value in comparison.done(contender)["test_ece_scaled"].items()
    }
    keys = runs[_KEYS].itertuples(index=False, name=None)
    return runs.assign(**{_SCALED: pd.Series([scaled[key] for key in keys], runs.index, dtype=float)})


def _figure(
    comparison: Comparison, panels: list[Contender], data: pd.DataFrame, errors: pd.DataFrame
) -> Figure:
    reference = of_contender(errors, comparison.baseline) if comparison.baseline else errors.iloc[:0]

    def draw(axes: Axes, contender: Contender) -> None:
        mine = of_contender(data, contender)
        behind = contender not in panels
        _diagram(axes, mine, contender, behind)
        if not behind and len(mine):
            words = f"ECE {_means(of_contender(errors, contender))}"
            if len(reference) and contender != comparison.baseline:
                words += f"\n({_means(reference)})"
            axes.set_xlabel(words, fontsize=7)

    handles = [
        Line2D([], [], color=style.INK, linestyle=":", linewidth=0.8, label="calibrated"),
        Patch(facecolor=style.INK, alpha=0.25, label="examples in the bin"),
    ]
    figure = small_multiples(comparison, panels, draw, "Confidence", "Accuracy", handles)
    figure.axes[0].set(xlim=(0, 1.02), ylim=(0, 1.04), xticks=_TICKS, yticks=_TICKS)
    figure.axes[0].xaxis.set_major_formatter("{x:g}")
    return figure


def _means(errors: pd.DataFrame) -> str:
    """E.g. `6.0 / 5.9 / 1.2 %`; – where none of these runs has one."""
    means = errors.drop(columns=_KEYS).mean()
    return " / ".join("–" if pd.isna(mean) else f"{mean:.1f}" for mean in means) + " %"


def _diagram(axes: Axes, mine: pd.DataFrame, contender: Contender, behind: bool) -> None:
    look = methods.method(contender.regularizer)
    if not behind:
        heights = _BARS * np.log1p(mine["count"]) / np.log1p(mine["count"].sum())
        axes.bar(mine["low"], heights, 1 / BINS, align="edge", color=look.colour, alpha=0.25, linewidth=0)
        axes.plot([0, 1], [0, 1], color=style.INK, linestyle=":", linewidth=0.8)
    mine = mine[mine["count"] >= FEWEST]
    axes.plot(mine["confidence"], mine["accuracy"], color=look.colour, marker=look.marker, markersize=2.8)
