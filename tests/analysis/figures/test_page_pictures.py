"""For a page a figure is drawn once, small: no PDF that nobody asked for, and no picture to be shrunk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from analysis.figures.draw_figures import Look, draw_all
from analysis.figures.parts.small_png import PIXELS_PER_INCH, shrink
from analysis.statistics.strength_selection import select
from analysis.tables.collect import collect
from regularize.store import Store

PAGE = Look(page=True)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), dtype=float)


def test_the_picture_of_a_page_is_that_of_the_figure(make_store: Callable[..., Store]) -> None:
    store = make_store(strengths={"none": [""], "l2": ["0.1", "0.2"]}, epochs=2)
    collect(store)
    select(store)
    (png,) = draw_all(store, ["loss_gap"], look=PAGE).paths
    assert {path.suffix for path in store.figures.iterdir()} == {".png", ".csv", ".json"}
    assert shrink(png).content == png.read_bytes(), "it is small already"
    drawn = pixels(png)
    with Image.open(png) as image:
        assert round(image.info["dpi"][0]) == PIXELS_PER_INCH

    (pdf,) = draw_all(store, ["loss_gap"]).paths
    assert pdf == png.with_suffix(".pdf")
    small = shrink(png)
    assert abs(small.width * PIXELS_PER_INCH - drawn.shape[1]) < 1
    png.write_bytes(small.content)
    assert np.abs(pixels(png) - drawn).mean() < 3, "texts and lines are where they are in print"

    pdf.write_bytes(b"of other tables")
    assert draw_all(store, ["loss_gap"], look=PAGE).paths == [pdf]
    assert pdf.read_bytes().startswith(b"%PDF"), "what was asked for is kept up to date"
