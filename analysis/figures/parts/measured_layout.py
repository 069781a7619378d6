"""The layout of a grid of panels, worked out once: all are equally large, and margins follow from the texts.

Constrained layout, which this stands in for and whose look it keeps, takes the extent of everything that
every panel has, twice for each drawing: a quarter of the time of a report.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.layout_engine import LayoutEngine
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import BboxBase
from numpy.typing import NDArray

_PAD, _TICK = 3 / 72, 2.5 / 72  # inches around whatever a panel has, and the length of its ticks
_LEAST = 0.1  # inches of a panel whose texts leave no room

Sides = NDArray[np.float64]  # left, bottom, right, top


class MeasuredLayout(LayoutEngine):
    """Of one grid of panels, a panel a cell, with the labels of the figure and one `legend` outside it."""

    _adjust_compatible = False
    _colorbar_gridspec = False

    def __init__(self, legend: Literal["upper", "right"] = "upper") -> None:
        super().__init__()
        self._legend = legend
        self._laid_out: tuple[float, float] | None = None  # the size of the figure when it was

    def execute(self, fig: Figure) -> None:
        """Place the panels, unless that was done; later drawings change nothing."""
        width, height = fig.get_size_inches()
        if self._laid_out == (width, height):
            return
        renderer = fig._get_renderer()  # type: ignore[attr-defined]  # as matplotlib's own engines do
        panels = [axes for axes in fig.axes if axes.get_subplotspec()]
        texts = [_of_texts(axes, renderer) for axes in panels]
        outer = self._outer(fig, renderer)
        for _ in range(2):  # numbers follow from the size of a panel, which follows from theirs
            measured: dict[tuple[object, ...], Sides] = {}
            numbers = [_of_axes(axes, renderer, measured) for axes in panels]
            beyond = [np.maximum(*each) / fig.dpi for each in zip(texts, numbers, strict=True)]
            _place(panels, beyond, outer, (width, height))
        self._laid_out = width, height

    def _outer(self, figure: Figure, renderer: RendererBase) -> Sides:
        """What the labels of the whole figure and its legend take, with the labels moved to the edge."""
        taken, size = np.zeros(4), figure.get_size_inches()
        for text in figure.texts:
            x, y = text.get_position()
            box, upright = text.get_window_extent(renderer), text.get_rotation() == 90
            text.set_position((_PAD / size[0], y) if upright else (x, _PAD / size[1]))
            taken[0 if upright else 1] = (box.width if upright else box.height) / figure.dpi + 2 * _PAD
        for legend in figure.legends:
            box = legend.get_window_extent(renderer)
            side, length = (3, box.height) if self._legend == "upper" else (2, box.width)
            taken[side] = length / figure.dpi + 2 * _PAD
        return taken


def _place(panels: Sequence[Axes], beyond: Sequence[Sides], outer: Sides, size: tuple[float, float]) -> None:
    """Panels with so much `beyond` each; all lengths are in inches."""
    specs = [spec for axes in panels if (spec := axes.get_subplotspec())]
    rows, columns = specs[0].get_gridspec().get_geometry()
    margins = np.zeros((rows, columns, 4))
    margins[...] = [_TICK, _TICK, 0, 0]
    for spec, mine in zip(specs, beyond, strict=True):
        place = spec.rowspan.start, spec.colspan.start
        margins[place] = np.maximum(margins[place], mine)
    margins += _PAD
    left, right = margins[..., 0].max(0), margins[..., 2].max(0)
    bottom, top = margins[..., 1].max(1), margins[..., 3].max(1)
    width = max((size[0] - outer[0] - outer[2] - (left + right).sum()) / columns, _LEAST)
    height = max((size[1] - outer[1] - outer[3] - (bottom + top).sum()) / rows, _LEAST)
    starts = outer[0] + np.cumsum(left + np.append(0, (width + right)[:-1]))
    ends = size[1] - outer[3] - np.cumsum(top + np.append(0, (height + bottom)[:-1]))
    for axes, spec in zip(panels, specs, strict=True):
        x, y = starts[spec.colspan.start], ends[spec.rowspan.start] - height
        axes.set_position((x / size[0], y / size[1], width / size[0], height / size[1]))


def _of_texts(axes: Axes, renderer: RendererBase) -> Sides:
    """How far a panel's title, texts and legend reach beyond it, in dots."""
    axes.get_xlim(), axes.get_ylim()  # which put in their places what is at places of the data
    found = np.zeros(4)
    if axes.get_title():
        found[3] = max(axes.title.get_window_extent(renderer).y1 - axes.bbox.y1, 0)
    others: list[Text | Legend | None] = [*axes.texts, axes.get_legend()]
    for each in others:
        if each is not None and each.get_in_layout():
            found = np.maximum(found, _sides(axes, each.get_window_extent(renderer)))
    return found


def _of_axes(axes: Axes, renderer: RendererBase, measured: dict[tuple[object, ...], Sides]) -> Sides:
    """How far its numbers and labels do; of panels that share numbers they are `measured` once."""
    found = np.zeros(4)
    for axis in (axes.xaxis, axes.yaxis):
        label = axis.get_label_text()
        if not label:
            axis.set_label_coords(0, 0)  # else its place is found by the extent of all ticks, in each drawing
        numbers = any(axis.get_tick_params().get(f"label{side}") for side in ("left", "bottom"))
        if label or numbers:
            key = (axis.axis_name, axis.get_major_locator(), label, numbers)
            if key not in measured:
                measured[key] = _sides(axes, _extent(axis, renderer))
            found = np.maximum(found, measured[key])
    return found


def _extent(axis: Axis, renderer: RendererBase) -> BboxBase | None:
    """Of its numbers and label; a label longer than the panel moves nothing."""
    found: BboxBase | None = axis.get_tightbbox(renderer, for_layout_only=True)
    return found


def _sides(axes: Axes, extent: BboxBase | None) -> Sides:
    if extent is None:
        return np.zeros(4)
    box = axes.bbox
    beyond = [box.x0 - extent.x0, box.y0 - extent.y0, extent.x1 - box.x1, extent.y1 - box.y1]
    return np.maximum(beyond, 0)
