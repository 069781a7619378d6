"""Activations by t-SNE, all networks in one fit, in two and in three dimensions."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.figures.parts.embedding_panels import Activations, drawings
from analysis.figures.parts.save import Drawing
from analysis.figures.parts.subject import Subject
from analysis.networks.embedding import PERPLEXITY, neighbours_map

MOST_POINTS = 2000  # half a minute's work


def draw(subject: Subject) -> Iterator[Drawing]:
    """Where networks agree, their points lie in the same places."""
    found = Activations.of(subject, MOST_POINTS)
    for dimensions in (2, 3):
        places = neighbours_map(list(found.points.values()), dimensions)
        yield from drawings(
            subject,
            "activations_tsne",
            found,
            dict(zip(found.points, places, strict=True)),
            how=(
                f"by one t-SNE of all networks (perplexity {PERPLEXITY}, started from the principal "
                "components, fixed seed), each network's first centred and divided by their root mean "
                "square. Distances between clusters mean little."
            ),
            same_axes=True,
            extra=dict.fromkeys(found.points, ""),
        )
