"""Decision regions on random planes through images, the same planes for every technique."""

from __future__ import annotations

import math
from collections.abc import Iterator

from analysis.figures.parts import class_colours
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
from analysis.figures.parts.subject import Subject
from analysis.figures.parts.tiles import Tiles, picture, under
from analysis.networks.example_choice import Examples, one_a_class
from analysis.networks.image_planes import Plane, places, random_plane, regions
from analysis.statistics.contenders import Contender

CELLS = 61  # a side
PLANES = 4


def draw(subject: Subject) -> Iterator[Drawing]:
    """A row for each technique, a column for each image, the distance to the boundary under each panel."""
    shown = images_shown(subject)
    examples = one_a_class(shown.batches, PLANES)
    # At the edge of the plane the image has changed as by noise as strong as a pixel's range.
    along = places(CELLS, math.sqrt(examples.x[0].numel()))
    planes = [random_plane(image, number) for number, image in enumerate(examples.x)]
    found = {
        contender: [regions(trained, plane, along, plane.origin[None]) for plane in planes]
        for contender, trained in shown.networks.items()
    }
    listed = medians(found, planes)
    for page, contenders in shown.pages():
        yield Drawing(
            name=f"{subject.name('decision_planes')}{page.suffix}",
            page=[page],
            figure=_page(shown, examples, contenders, found, planes).figure,
            data=data(found, planes, [[row] for row in examples.rows]),
            caption=(
                f"{shown.subject}: the class that a network sees (colour; paler where it is less sure) on "
                f"planes through test images {examples.rows} (drawn by a hash, one a class) in two random "
                f"directions, {along[-1]:.1f} to each side. The cell in the centre is the image itself. "
                f"{EXPLAINED}, in the plane to within {along[1] - along[0]:.2f}. {shown.notes}"
            ),
            alt=(
                "Maps of decision regions, a row for each technique. Median distance to the boundary in the "
                f"plane, and found by an attack: {listed}, n = 1 network each."
            ),
            summary=(
                f"{shown.subject}, median distance to the boundary within {len(planes)} random planes, and "
                f"found by an attack: {listed}, n = 1 network each"
            ),
            band="none: one network a technique",
            n=shown.n,
            inputs=shown.inputs,
        )


def _page(
    shown: Shown, examples: Examples, contenders: list[Contender], found: Found, planes: list[Plane]
) -> Tiles:
    tiles = Tiles([label(c) for c in contenders], len(planes), below=0.25)
    labels, images = examples.labels.tolist(), examples.pixels(shown.batches)
    for heads in tiles.heads:
        for axes, image, true in zip(heads, images, labels, strict=True):
            picture(axes, image)
            under(axes, class_colours.text(true, shown.batches.class_names))
    for contender, row in zip(contenders, tiles.rows, strict=True):
        for axes, panel, plane in zip(row, found[contender], planes, strict=True):
            (radius,) = radii(panel, plane)
            paint(axes, panel, shown.classes)
            encircle(axes, plane.marks[0], radius)
            under(axes, distances(panel, plane))
    class_colours.legend(
        tiles.figure, seen_classes(p for c in contenders for p in found[c]), shown.batches.class_names, "s"
    )
    return tiles
