"""Activations on their principal axes, each network's own, in two and in three dimensions."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.figures.parts.embedding_panels import Activations, drawings
from analysis.figures.parts.save import Drawing
from analysis.figures.parts.subject import Subject
from analysis.networks.embedding import principal


def draw(subject: Subject) -> Iterator[Drawing]:
    """The explained variance above each panel."""
    found = Activations.of(subject)
    for dimensions in (2, 3):
        fits = {contender: principal(points, dimensions) for contender, points in found.points.items()}
        yield from drawings(
            subject,
            "activations_pca",
            found,
            {contender: places for contender, (places, _) in fits.items()},
            how="on each network's own principal axes; above the panels, the variance that they explain.",
            same_axes=False,
            extra={
                contender: f"variance {100 * shares.sum():.0f}%\n" for contender, (_, shares) in fits.items()
            },
        )
