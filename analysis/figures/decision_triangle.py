"""Decision regions on the plane through three images, the same plane for every technique."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from analysis.figures.parts import class_colours, style
from analysis.figures.parts.plane_panels import (
    EXPLAINED,
    Found,
    data,
    distances,
    encircle,
    medians,
    paint,
    radii,
    seen_classes,
)
from analysis.figures.parts.save import Drawing
from analysis.figures.parts.shown_networks import Shown, images_shown, label
from analysis.figures.parts.subject import CannotDrawError, Subject
from analysis.figures.parts.tiles import bare, grey, show, under
from analysis.networks.example_choice import Examples, one_a_class
from analysis.networks.image_planes import Array, Plane, places, plane_through, regions
from analysis.statistics.contenders import Contender

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELLS = 81  # a side
_MARGIN = 2.0  # of the plane's half width beyond the outermost image
_COLUMN = 1.3  # inches of a panel, at least


def draw(subject: Subject) -> Iterator[Drawing]:
    """A panel for each technique; the three images stand before the first."""
    shown = images_shown(subject)
    examples = one_a_class(shown.batches, 3)
    if len(examples.rows) < 3:
        raise CannotDrawError(
            f"it shows an image of each of three classes, and there are {len(examples.rows)}; "
            "decision_planes needs no more than one"
        )
    plane = plane_through(examples.x, shown.batches.pixel)
    along = places(CELLS, _MARGIN * float(np.abs(plane.marks).max()))
    found = {
        contender: [regions(trained, plane, along, examples.x)]
        for contender, trained in shown.networks.items()
    }
    named = ", ".join(
        class_colours.name(each, shown.batches.class_names) for each in examples.labels.tolist()
    )
    listed = medians(found, [plane])
    for page, contenders in shown.pages():
        yield Drawing(
            name=f"{subject.name('decision_triangle')}{page.suffix}",
            page=[page],
            figure=_page(shown, examples, contenders, found, plane),
            data=data(found, [plane], [examples.rows]),
            caption=(
                f"{shown.subject}: the class that a network sees (colour; paler where it is less sure) on "
                f"the plane through test images {examples.rows} (+; drawn by a hash, one a class). "
                f"{EXPLAINED}, in the plane to within {along[1] - along[0]:.2f}; for {named} in this order. "
                f"{shown.notes}"
            ),
            alt=(
                "Maps of decision regions, one for each technique. Median distance to the boundary in the "
                f"plane, and found by an attack: {listed}, n = 1 network each."
            ),
            summary=(
                f"{shown.subject}, median distance to the boundary in the plane of three images, and found "
                f"by an attack: {listed}, n = 1 network each"
            ),
            band="none: one network a technique",
            n=shown.n,
            inputs=shown.inputs,
        )


def _page(
    shown: Shown, examples: Examples, contenders: list[Contender], found: Found, plane: Plane
) -> Figure:
    from matplotlib.figure import Figure

    columns = min(style.columns_that_fit(_COLUMN), len(contenders) + 1)
    rows = math.ceil((len(contenders) + 1) / columns)
    width = style.text_width() if columns > 2 else style.column_width()
    figure = Figure(figsize=(width, rows * (width / columns + 0.47) + 0.45), layout="constrained")
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for unused in grid[len(contenders) + 1 :]:
        unused.remove()
    _triangle(grid[0], shown, examples, plane, found[contenders[0]][0].places)
    for axes, contender in zip(grid[1:], contenders, strict=False):
        (panel,) = found[contender]
        bare(axes)
        paint(axes, panel, shown.classes)
        for mark, radius in zip(plane.marks, radii(panel, plane), strict=True):
            encircle(axes, mark, radius)
        axes.set_title(label(contender), pad=3, fontsize=7, linespacing=1.15)
        under(axes, distances(panel, plane))
    class_colours.legend(
        figure, seen_classes(found[c][0] for c in contenders), shown.batches.class_names, "s"
    )
    return figure


def _triangle(axes: Axes, shown: Shown, examples: Examples, plane: Plane, along: Array) -> None:
    """The three images where they lie on the plane."""
    bare(axes)
    low, high = along[0], along[-1]
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set_title("Images", pad=3, fontsize=7)
    half = 0.1 * (high - low)
    labels = examples.labels.tolist()
    for image, (x, y), true in zip(examples.pixels(shown.batches), plane.marks, labels, strict=True):
        place = (x - half, x + half, y - half, y + half)
        colours = image.transpose(1, 2, 0) if len(image) == 3 else grey(image)
        show(axes, colours, cmap="gray", vmin=0, vmax=1, extent=place, zorder=2)
        axes.text(
            x,
            y - half,
            class_colours.text(true, shown.batches.class_names),
            fontsize=7,
            ha="center",
            va="top",
        )
    axes.set(xlim=(low, high), ylim=(low, high))
