"""Accuracy under white noise, FGSM and PGD, by their size."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.parts.bands import SHARES, accuracies, band_line, of_contender, over
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
from regularize.evaluation.settings import ATTACKS

_EQUAL = 0.05  # percentage points: what would be drawn on one line
LABELS = {"noise": "White noise (σ)", "fgsm": "FGSM (ε)", "pgd": "PGD (ε)"}


def draw(subject: Subject) -> Iterator[Drawing]:
    """A row a contender, a column an attack; means over seeds."""
    comparison = subject.comparison
    rows = comparison.robustness
    data = accuracies(rows, ("regularizer", "strength", "attack", "size"))
    attacks = [attack for attack in ATTACKS if (data["attack"] == attack).any()]
    same = _as_strong(data)
    if same:
        attacks.remove("pgd")
    examples = int(rows["examples"].max())
    for page, panels in pages(comparison, ROWS_A_PAGE):
        yield Drawing(
            name=subject.name("robustness_curves") + page.suffix,
            page=[page],
            figure=_figure(comparison, panels, attacks, data),
            data=data,
            caption=(
                f"{of(comparison)}: accuracy on {examples} test images with white noise of standard "
                "deviation σ, and under attacks that change no pixel by more than ε (FGSM, one step; PGD, "
                f"many), in units of the range of a pixel. {same}{SHARES.capitalize()}. "
                f"{notes(comparison, rows, over(rows))}"
            ),
            alt=(
                f"Curves of accuracy that fall with the size of an attack, a row for each of {len(panels)} "
                f"regularizers, a column for each attack, the curve with {reference(comparison)} in grey. "
                f"Mean accuracy over seeds ({seeds(comparison, rows=rows)}): {_ends(comparison, data)}."
            ),
            summary=f"{of(comparison)}, accuracy under attack: {_ends(comparison, data)}",
            band=f"95% interval of the mean over {over(rows)}, by arcsine square roots",
            n=counts(comparison, rows),
            inputs=digest(rows),
        )


def _as_strong(data: pd.DataFrame) -> str:
    """That FGSM is as strong as PGD, in a sentence, if it is: then its curves say both."""
    keys = ["regularizer", "strength", "size"]
    fgsm, pgd = (data[data["attack"] == attack].set_index(keys)["mean"] for attack in ("fgsm", "pgd"))
    if len(pgd) and pgd.index.isin(fgsm.index).all() and (fgsm.reindex(pgd.index) - pgd).abs().max() < _EQUAL:
        return "PGD is as strong as FGSM at all sizes and not drawn again. "
    return ""


def _figure(
    comparison: Comparison, panels: list[Contender], attacks: list[str], data: pd.DataFrame
) -> Figure:
    def cell(axes: Axes, contender: Contender, label: str) -> None:
        (attack,) = (attack for attack in attacks if LABELS[attack] == label)
        line = of_contender(data, contender)
        marker = method(contender.regularizer).marker
        band_line(axes, line[line["attack"] == attack], "size", contender, marker=marker)

    figure = matrix(
        comparison,
        panels,
        [LABELS[attack] for attack in attacks],
        cell,
        "Size of the disturbance (range of a pixel: 1)",
        "Accuracy (%)",
        [band_handle(comparison)],
        share_y=False,
    )
    for place, axes in enumerate(figure.axes):
        axes.set_ylim(*_limits(data[data["attack"] == attacks[place % len(attacks)]]))
        axes.set_xlim(left=0)
        axes.locator_params(axis="x", nbins=4)
        axes.locator_params(axis="y", nbins=3)
        axes.xaxis.set_major_formatter("{x:g}")
    return figure


def _limits(shown: pd.DataFrame) -> tuple[float, float]:
    """Those of all means with the usual band around them, within 0 and 100 % and a margin."""
    low, high = limits(shown)
    below, above = (abs(shown[end] - shown["mean"]).median() for end in ("low", "high"))
    if pd.notna(below):
        low, high = min(low, shown["mean"].min() - below), max(high, shown["mean"].max() + above)
    return max(low, -3.0), min(high, 103.0)


def _ends(comparison: Comparison, data: pd.DataFrame) -> str:
    """Accuracies under the largest disturbance of each kind: the baseline's, and the best."""
    said = []
    for attack, rows in data.groupby("attack", sort=False):
        last = rows[rows["size"] == rows["size"].max()]
        values = {
            contender: mine.max()
            for contender in comparison.contenders
            if len(mine := of_contender(last, contender)["mean"]) and not comparison.unstable(contender)
        }
        if not values:
            continue
        best = max(values, key=lambda contender: values[contender])
        shown = dict.fromkeys([best, comparison.baseline if comparison.baseline in values else best])
        words = " vs ".join(f"{name(each)} {number(values[each], 1)} %" for each in shown)
        size = last["size"].iloc[0]
        said.append(f"{attack} of size {size:.2g}: {words}")
    return "; ".join(said)
