"""Singular values of every layer's weight as a matrix (out, in·k·k), from the largest to the smallest.

Where they were measured, those of convolutions as operators on images stand beside them, dashed: the largest
ones, as many as the matrix has.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures.parts.bands import band_line, means, of_contender
from analysis.figures.parts.even_pages import columns
from analysis.figures.parts.matrix import ROWS_A_PAGE, matrix
from analysis.figures.parts.panels import band_handle, pages
from analysis.figures.parts.save import Drawing
from analysis.figures.parts.style import INK
from analysis.figures.parts.subject import CannotDrawError, Subject
from analysis.notation.number_text import number
from analysis.statistics.contenders import Comparison, Contender
from analysis.tables.store_tables import digest
from analysis.text.caption_phrases import band, counts, name, notes, of, reference, seeds

ALIKE = 0.05
"""The difference to the baseline's, in shares of the layer's largest value, that no eye would see."""


_OPERATORS = (
    "Dashed: the largest of the convolution as an operator on images (by Fourier transform, exact for "
    "circular padding, for others an upper bound on the largest), which bound what it does to an image."
)


def draw(subject: Subject) -> Iterator[Drawing]:
    """A row a contender, a column a layer; means over seeds."""
    comparison = subject.comparison
    rows = comparison.rows("spectra")
    if rows.empty:
        raise CannotDrawError("the store has no singular values of these runs")
    data = spectra(rows)
    apart, alike = _apart(comparison, data)
    operators = f" {_OPERATORS}" if data["operator"].notna().any() else ""
    same = f" Not drawn, as within {ALIKE:.0%} of the baseline: {', '.join(alike)}." if alike else ""
    for page, panels in pages(comparison, ROWS_A_PAGE, apart):
        for part, layers in columns(rows["layer"]):
            yield Drawing(
                name=subject.name("spectra") + page.suffix + part.suffix,
                page=[page, part],
                figure=_figure(comparison, panels, layers, data),
                data=data,
                caption=(
                    f"{of(comparison)}: singular values of each layer's weights at the end of training, by "
                    f"rank from the largest (0) to the smallest (1).{operators}{same} "
                    f"{notes(comparison)}"
                ),
                alt=(
                    f"Curves of falling singular values, a row for each of {len(panels)} regularizers, a "
                    f"column for each of the layers {', '.join(layers)}; the curve with "
                    f"{reference(comparison)} is "
                    f"grey; means over seeds ({seeds(comparison)}). Largest to smallest: "
                    f"{_ranges(comparison, data)}."
                ),
                summary=f"{of(comparison)}, singular values: {_ranges(comparison, data)}",
                band=band(comparison),
                n=counts(comparison),
                inputs=digest(rows),
            )


def _apart(comparison: Comparison, data: pd.DataFrame) -> tuple[list[Contender], list[str]]:
    """Who has singular values that can be told from the baseline's (all, if nobody has), and who has not."""
    if comparison.baseline is None or comparison.run_id is not None:
        return [], []
    keys = ["layer", "index"]
    usual = of_contender(data, comparison.baseline).set_index(keys)["mean"]
    scale = usual.groupby("layer").max()
    far = {}
    for contender in comparison.challengers:
        mine = of_contender(data, contender).set_index(keys)["mean"]
        distance = ((mine - usual).abs() / scale.reindex(mine.index, level="layer")).max()
        far[contender] = not distance <= ALIKE  # also where there is nothing to compare
    if not any(far.values()):
        return [], []
    return [each for each in far if far[each]], [name(each) for each in far if not far[each]]


def spectra(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean and interval over seeds by regularizer, strength, layer and index; `rank` is in [0, 1]."""
    keys = ["regularizer", "strength", "layer", "index"]
    data = means(rows, keys, "value")
    last = data.groupby("layer")["index"].transform("max")
    data = data.assign(rank=data["index"] / last.clip(lower=1))
    # Of a fully connected layer, the operator is the matrix.
    other = rows.assign(operator=rows["operator_value"].where(rows["operator_value"] != rows["value"]))
    ends = {name: f"operator_{name}" for name in ("low", "high")}
    beside = means(other, keys, "operator").drop(columns="n").rename(columns=ends | {"mean": "operator"})
    return data.merge(beside, on=keys, how="left")


def _figure(comparison: Comparison, panels: list[Contender], layers: list[str], data: pd.DataFrame) -> Figure:
    lines = dict(iter(data.groupby(["regularizer", "strength", "layer"])))

    def cell(axes: Axes, contender: Contender, layer: str) -> None:
        line = lines.get((contender.regularizer, contender.strength, layer), data.iloc[:0])
        band_line(axes, line, "rank", contender)
        if line["operator"].notna().any():
            dashed = line[["rank"]].assign(
                mean=line["operator"], low=line["operator_low"], high=line["operator_high"]
            )
            band_line(axes, dashed, "rank", contender, "--")

    handles: list[Artist] = [band_handle(comparison)]
    if data.loc[data["layer"].isin(layers), "operator"].notna().any():
        handles = [
            Line2D([], [], color=INK, linestyle="-", label="as a matrix"),
            Line2D([], [], color=INK, linestyle="--", label="as an operator"),
            *handles,
        ]
    figure = matrix(
        comparison,
        panels,
        layers,
        cell,
        "Rank of the singular value (0: the largest, 1: the smallest)",
        "Singular value",
        handles,
        share_y=False,
    )
    for axes in figure.axes[: len(layers)]:  # of the first row; the others share theirs
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.locator_params(axis="y", nbins=3)
        axes.set_ylim(bottom=0)
    return figure


def _ranges(comparison: Comparison, data: pd.DataFrame) -> str:
    """Each contender's mean largest and smallest singular value over all layers."""
    found = []
    for contender in comparison.contenders:
        values = of_contender(data, contender)["mean"]
        if len(values):
            found.append(f"{name(contender)} {number(values.max(), 2)} to {number(values.min(), 2)}")
    return "; ".join(found)
