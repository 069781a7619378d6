"""What the figures of decision regions share: panels, radii, and the table of their numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.figures.parts import class_colours
from analysis.figures.parts.style import INK
from analysis.figures.parts.tiles import show
from analysis.networks.image_planes import Array, Plane, Regions
from analysis.statistics.contenders import Contender
from analysis.text.caption_phrases import name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Found = Mapping[Contender, Sequence[Regions]]
"""The same planes as every network sees them."""


def paint(axes: Axes, panel: Regions, total: int) -> None:
    """The regions of one plane, y upwards, in pixel distances; `total` is the number of classes."""
    half = (panel.places[1] - panel.places[0]) / 2
    low, high = panel.places[0] - half, panel.places[-1] + half
    colours = class_colours.tinted(panel.classes, panel.confidence, total)
    show(axes, colours, origin="lower", extent=(low, high, low, high))
    axes.set(xlim=(low, high), ylim=(low, high))


def encircle(axes: Axes, mark: Array, radius: float) -> None:
    """An image's place, and its radius in the plane if there is a boundary in sight."""
    from matplotlib.patches import Circle

    axes.plot(*mark, marker="+", color=INK, markersize=4, markeredgewidth=0.8)
    if math.isfinite(radius):
        axes.add_patch(Circle(tuple(mark), radius, fill=False, edgecolor=INK, linewidth=0.6))


def distance(radius: float, reach: float) -> str:
    """`3.2`, or `>14.0`: further than the plane shows."""
    return f"{radius:.1f}" if math.isfinite(radius) else f">{reach:.1f}"


def distances(panel: Regions, plane: Plane) -> str:
    """The radii of a plane's marks, and how near other classes were found: `r 3.2, >4.0`, `d 0.6, 0.8`."""
    every = zip(radii(panel, plane), plane.marks, strict=True)
    in_plane = "r " + ", ".join(distance(radius, panel.reach(mark)) for radius, mark in every)
    return f"{in_plane}\nd {', '.join(map(_found, panel.found))}"


EXPLAINED = (
    "r, and the circles: the distance to the nearest cell of another class than the one seen there, in this "
    "plane alone. d: the distance at which an attack found another class in any direction (DeepFool, then "
    "along the boundary; the nearest boundary may be nearer). Distances are Euclidean, pixels being in [0, 1]"
)


def _found(distance: float) -> str:
    return f"{distance:.2f}" if math.isfinite(distance) else "–"


def radii(panel: Regions, plane: Plane) -> list[float]:
    """The radius in the plane of each of its marks."""
    return [panel.radius(mark, int(seen)) for mark, seen in zip(plane.marks, panel.marked, strict=True)]


def medians(found: Found, planes: Sequence[Plane]) -> str:
    """Every contender's median radius in the planes, and median found distance, for summaries."""
    parts = []
    for contender, panels in found.items():
        pairs = list(zip(panels, planes, strict=True))
        every = [radius for panel, plane in pairs for radius in radii(panel, plane)]
        reach = min(panel.reach(mark) for panel, plane in pairs for mark in plane.marks)
        near = median(float(each) for panel in panels for each in panel.found)
        parts.append(f"{name(contender)} {distance(median(every), reach)} and {_found(near)}")
    return "; ".join(parts)


def seen_classes(panels: Iterable[Regions]) -> list[int]:
    """All classes that have a cell somewhere."""
    return sorted({int(label) for panel in panels for label in np.unique(panel.classes)})


def data(found: Found, planes: Sequence[Plane], examples: Sequence[Sequence[int]]) -> pd.DataFrame:
    """A row for each contender and marked image; `examples[p]` are those of plane p.

    `radius_in_plane` is empty where there is no boundary within `reach`, `found_distance` where the attack
    found none; `roughness` is the plane's.
    """
    rows = [
        {
            "regularizer": contender.regularizer,
            "strength": contender.strength,
            "plane": number,
            "example": example,
            "seen": int(seen),
            "radius_in_plane": radius if math.isfinite(radius) else math.nan,
            "found_distance": near if math.isfinite(near) else math.nan,
            "roughness": panel.roughness,
            "reach": panel.reach(mark),
        }
        for contender, panels in found.items()
        for number, (panel, plane) in enumerate(zip(panels, planes, strict=True))
        for example, seen, radius, near, mark in zip(
            examples[number],
            panel.marked,
            radii(panel, plane),
            panel.found.tolist(),
            plane.marks,
            strict=True,
        )
    ]
    return pd.DataFrame(rows)
