"""Small multiples of the plane, one panel a technique, that are drawn anew for every epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.figures.parts import style
from analysis.networks.plane_fields import Array, Fields

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL.Image import Image

HALF_WIDTH = 2.0  # of the plane that is shown
CLASSES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")  # Okabe and Ito 2008
_COLUMNS = 5
_PANEL = 1.5  # inches
_DPI = 120
_FACTORS = 100.0  # area factors are shown from 1/100 to 100


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """One technique: its title, and its fields at each moment of the film."""

    title: str
    fields: Sequence[Fields]


@dataclass(frozen=True, kw_only=True, eq=False)
class Points:
    """The examples that are drawn on the plane: [N, 2], and their labels [N]."""

    places: Array
    labels: NDArray[np.int64]


class Regions:
    """One panel of decision regions: the colour of the likeliest class, paler where it is less certain."""

    caption = "Decision regions"

    def __init__(self, axes: Axes, points: Points) -> None:
        from matplotlib.colors import to_rgb

        self._image = axes.imshow(np.ones((1, 1, 3)), interpolation="bilinear", **_extent())
        self._boundary = Boundary(axes)
        for label, colour in enumerate(CLASSES):
            x, y = points.places[points.labels == label].T
            dark = 0.7 * np.array(to_rgb(colour))
            axes.scatter(x, y, s=3, color=[dark], linewidths=0, zorder=3)

    def update(self, fields: Fields) -> None:
        self._image.set_data(tinted(fields.probabilities))
        self._boundary.update(fields)

    @staticmethod
    def finish(figure: Figure, artists: Sequence[Regions]) -> None:
        """Nothing to explain: points have the colour of their class."""


class Stretching:
    """One panel of how much areas grow (red) or shrink (blue), logarithmic; white where they are kept."""

    caption = "Local area factor"

    def __init__(self, axes: Axes, points: Points) -> None:
        from matplotlib.colors import LogNorm

        norm = LogNorm(1 / _FACTORS, _FACTORS)
        self._image = axes.imshow(
            np.ones((1, 1)), interpolation="bilinear", cmap="RdBu_r", norm=norm, **_extent()
        )
        self._boundary = Boundary(axes)
        x, y = points.places.T
        axes.scatter(x, y, s=1, color=style.INK, linewidths=0, alpha=0.35, zorder=3)

    def update(self, fields: Fields) -> None:
        self._image.set_data(fields.areas.clip(1 / _FACTORS, _FACTORS))
        self._boundary.update(fields)

    @staticmethod
    def finish(figure: Figure, artists: Sequence[Stretching]) -> None:
        """The scale, which all panels share."""
        bar = figure.colorbar(
            artists[0]._image, ax=figure.axes, extend="both", shrink=0.6, aspect=30, pad=0.02
        )
        bar.set_ticks([0.01, 0.1, 1, 10, 100], labels=["1/100", "1/10", "1", "10", "100"])
        bar.ax.minorticks_off()


class Boundary:
    """Lines between the decision regions."""

    def __init__(self, axes: Axes) -> None:
        from matplotlib.collections import LineCollection

        self._lines = LineCollection([], colors=style.INK, linewidths=0.6)
        axes.add_collection(self._lines, autolim=False)

    def update(self, fields: Fields) -> None:
        from contourpy import contour_generator

        axis = np.linspace(-HALF_WIDTH, HALF_WIDTH, len(fields.areas))
        found = (contour_generator(axis, axis, m).lines(0.0) for m in margins(fields.probabilities))
        self._lines.set_segments([np.asarray(line) for lines in found for line in lines])


def margins(probabilities: Array) -> list[Array]:
    """For each class but the last, its log-probability less that of the likeliest other one, [G, G]."""
    logs = np.log(probabilities.clip(1e-300))
    classes = range(logs.shape[-1] - 1)
    return [logs[..., k] - np.delete(logs, k, axis=-1).max(-1) for k in classes]


def tinted(probabilities: Array) -> Array:
    """[G, G, K] to colours [G, G, 3]: the likeliest class's, white where all are equally likely."""
    from matplotlib.colors import to_rgb

    colours = np.array([to_rgb(colour) for colour in CLASSES])
    classes = probabilities.shape[-1]
    certain = (probabilities.max(-1) - 1 / classes) / (1 - 1 / classes)
    strength = 0.55 * certain[..., None].clip(0, 1)
    shown: Array = 1 + strength * (colours[probabilities.argmax(-1)] - 1)
    return shown


def draw(
    kind: type[Regions] | type[Stretching], panels: Sequence[Panel], points: Points, moments: Sequence[str]
) -> list[Image]:
    """An image for each of the `moments`, which are named above the panels."""
    from PIL import Image

    figure, canvas, grid = _figure(panels)
    artists = [kind(axes, points) for axes in grid]
    kind.finish(figure, artists)  # type: ignore[arg-type]
    title = figure.suptitle(" ", fontsize=9)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # nothing moves from here on
    images = []
    for number, moment in enumerate(moments):
        title.set_text(f"{kind.caption}, {moment}")
        for artist, panel in zip(artists, panels, strict=True):
            artist.update(panel.fields[number])
        canvas.draw()  # type: ignore[no-untyped-call]
        pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
        images.append(Image.fromarray(pixels).convert("RGB"))
    return images


def _figure(panels: Sequence[Panel]) -> tuple[Figure, FigureCanvasAgg, list[Axes]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = math.ceil(len(panels) / _COLUMNS)
    columns = math.ceil(len(panels) / rows)
    size = (columns * _PANEL + 1.2, rows * (_PANEL + 0.35) + 0.5)
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for unused in grid[len(panels) :]:
        unused.remove()
    for place, (axes, panel) in enumerate(zip(grid, panels, strict=False)):
        axes.set(xlim=(-HALF_WIDTH, HALF_WIDTH), ylim=(-HALF_WIDTH, HALF_WIDTH), aspect="equal")
        axes.set_xticks([-1, 0, 1] if place + columns >= len(panels) else [])
        axes.set_yticks([-1, 0, 1] if place % columns == 0 else [])
        axes.set_title(style.plain(panel.title))
        axes.grid(False)
    return figure, canvas, grid[: len(panels)]


def _extent() -> dict[str, Any]:
    return {"extent": (-HALF_WIDTH, HALF_WIDTH, -HALF_WIDTH, HALF_WIDTH), "origin": "lower"}
