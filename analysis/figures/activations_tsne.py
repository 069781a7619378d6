"""Activations by t-SNE, a map a network, in two and in three dimensions."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.figures.parts.embedding_panels import Activations, drawings
from analysis.figures.parts.save import Drawing
from analysis.figures.parts.subject import Subject
from analysis.networks.embedding import PERPLEXITY, neighbours_map

MOST_POINTS = 2000  # half a minute's work


def draw(subject: Subject) -> Iterator[Drawing]:
    """One map a technique: a joint one would put the networks' points of one image into one place."""
    found = Activations.of(subject, MOST_POINTS)
    for dimensions in (2, 3):
        places = [neighbours_map([points], dimensions)[0] for points in found.points.values()]
        yield from drawings(
            subject,
            "activations_tsne",
            found,
            dict(zip(found.points, places, strict=True)),
            how=(
                f"by a t-SNE of each network's by themselves (perplexity {PERPLEXITY}, started from the "
                "principal components, fixed seed): one of all together would be a map of which image it is. "
                "So places mean nothing from panel to panel, and distances between clusters little."
            ),
            same_axes=False,
            extra=dict.fromkeys(found.points, ""),
        )
