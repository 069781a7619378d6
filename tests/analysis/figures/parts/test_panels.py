"""Titles above panels: however long, they are whole and take nothing from the panels. Costs 3 s of a CPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from analysis.figures.parts.panels import pages, small_multiples
from analysis.figures.parts.style import paper
from analysis.statistics.contenders import Comparison, comparisons
from analysis.tables.collect import collect
from analysis.tables.store_tables import Tables
from regularize.store import Store

DOT = 1  # of the figure, empty, around each letter
SHORT = "l1=0.001"
MANY = " ".join(f"{name}=0.25" for name in ("alpha", "beta", "gamma", "delta", "epsilon", "momentum", "rate"))
DIGITS = "confidence.temperature=1.2345678901e-05 rate=0.5"


def of(make_store: Callable[..., Store], entries: int, strength: str) -> Comparison:
    names = (f"an_entry_of_many_parts_{place}" for place in range(entries))
    strengths = {"none": [""]} | {name: [strength] for name in names}
    store = make_store(strengths=strengths, tune=(), report=[1000], epochs=1)
    collect(store)
    (comparison,) = comparisons(Tables(store))
    return comparison


@pytest.mark.parametrize(("entries", "strength"), [(1, MANY), (2, DIGITS), (5, DIGITS), (20, MANY)])
def test_long_titles_are_whole_and_leave_panels_their_height(
    make_store: Callable[..., Store], entries: int, strength: str
) -> None:
    comparison = of(make_store, entries, strength)
    for _, panels in pages(comparison):
        with paper():
            figure = small_multiples(comparison, panels, lambda *_: None, "Epoch", "Loss")
            canvas = FigureCanvasAgg(figure)  # type: ignore[no-untyped-call]
            canvas.draw()  # type: ignore[no-untyped-call]
            titles = [axes.title.get_window_extent() for axes in figure.axes]
        width, height = figure.get_size_inches()
        assert height < 9.5, "it fits a page"
        assert all(axes.get_position().height * height > 0.8 for axes in figure.axes)
        for place, box in enumerate(titles):
            assert min(box.x0, box.y0) > -DOT
            assert max(box.x1 - width * figure.dpi, box.y1 - height * figure.dpi) < DOT
            assert not any(box.overlaps(other) for other in titles[:place])


def test_short_titles_leave_pages_as_full_as_ever(make_store: Callable[..., Store]) -> None:
    comparison = of(make_store, 15, SHORT)
    assert [len(panels) for _, panels in pages(comparison)] == [15]
