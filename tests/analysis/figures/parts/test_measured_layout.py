"""The layout that is measured once is that of matplotlib's constrained layout. Costs 3 s of a CPU."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import LayoutEngine
from matplotlib.patches import Patch

from analysis.figures.parts.measured_layout import MeasuredLayout
from analysis.figures.parts.style import TITLE, paper

POINTS = 1.5  # that a panel's edge may be away from where constrained layout has it


def figure(layout: LayoutEngine | str, kind: str, rows: int = 3, columns: int = 4) -> Figure:
    made = Figure(figsize=(6.75, 0.75 + 1.65 * rows), dpi=100, layout=layout)  # type: ignore[arg-type]
    apart = kind == "apart"
    grid = made.subplots(
        rows, columns, squeeze=False, sharex="col" if apart else True, sharey="col" if apart else True
    )
    for place, axes in enumerate(grid.flat):
        axes.plot([0, 40 * (1 + place % columns)], [0, 10.0 ** (place % columns)])
        axes.set_title("dropout\np = 0.1" if place < columns else "l2", **TITLE)
        if kind == "labels" and place % 2:
            axes.set_xlabel("ECE 1.0 / 2.0 %\n(grey: 3.0 / 4.0 %)", fontsize=7)
        if kind == "texts":
            axes.text(1.04, 3, "−0.3 ± 0.1†", transform=axes.get_yaxis_transform(), va="center", fontsize=7)
        if apart and not place % columns:
            axes.set_ylabel("a technique\nof two lines", rotation=0, ha="right", va="center")
    if kind == "labels":
        grid[-1, -1].remove()
    made.supxlabel("Epoch", fontsize=8)
    made.supylabel("Loss", fontsize=8)
    where = "outside right center" if kind == "beside" else "outside upper center"
    made.legend(handles=[Patch(label=name) for name in ("train", "test")], loc=where, ncols=1)
    return made


def draw(made: Figure) -> list[tuple[float, ...]]:
    """Where the panels are, in points."""
    FigureCanvasAgg(made).draw()  # type: ignore[no-untyped-call]
    width, height = 72 * made.get_size_inches()
    return [
        (each.x0 * width, each.y0 * height, each.x1 * width, each.y1 * height)
        for each in (axes.get_position() for axes in made.axes)
    ]


@pytest.mark.parametrize("kind", ["plain", "labels", "texts", "apart", "beside"])
def test_panels_are_where_constrained_layout_has_them(kind: str) -> None:
    with paper():
        mine = draw(figure(MeasuredLayout("right" if kind == "beside" else "upper"), kind))
        theirs = draw(figure("constrained", kind))
    assert np.abs(np.subtract(mine, theirs)).max() < POINTS


def test_a_figure_is_laid_out_once_and_panels_that_share_ticks_are_measured_once() -> None:
    """However many panels: a row's numbers and a column's, twice."""
    with (
        paper(),
        mock.patch.object(Axis, "get_tightbbox", autospec=True, side_effect=Axis.get_tightbbox) as seen,
    ):
        made = figure(MeasuredLayout(), "plain", rows=5)
        places = draw(made)
        assert seen.call_count == 2 * 2
        assert draw(made) == places
        assert seen.call_count == 2 * 2
        made.set_size_inches(6.75, 12)
        assert draw(made) != places, "it has another size"


def test_texts_that_leave_no_room() -> None:
    with paper():
        made = figure(MeasuredLayout(), "plain")
        made.axes[0].set_title("\n".join("of many lines" for _ in range(40)))
        assert all(right > left and top > bottom for left, bottom, right, top in draw(made))
