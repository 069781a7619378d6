"""Which pixels the true class's logit hangs on, the same images for every technique."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analysis.figures.parts.attribution import IMAGES, RANDOM, Maps
from analysis.figures.parts.save import Drawing
from analysis.figures.parts.shown_networks import images_shown
from analysis.figures.parts.subject import Subject
from analysis.networks import attribution_maps
from analysis.networks.example_choice import one_a_class
from analysis.networks.trained_network import untrained
from analysis.text.caption_phrases import name


def draw(subject: Subject) -> Iterator[Drawing]:
    """Gradients laid over the images, on one colour scale."""
    from matplotlib.colors import PowerNorm

    shown = images_shown(subject)
    examples = one_a_class(shown.batches, IMAGES)
    networks = {**shown.networks, RANDOM: untrained(shown.reference.config, subject.data_root)}
    maps = {
        contender: attribution_maps.saliency(trained, examples.x, examples.labels).double().numpy()
        for contender, trained in networks.items()
    }
    trained_maps = np.concatenate([maps[contender] for contender in shown.networks])
    norm = PowerNorm(0.5, 0, float(np.quantile(trained_maps, 0.998)))
    means = {contender: float(found.mean()) for contender, found in maps.items()}
    listed = "; ".join(f"{name(c)} {means[c]:.3g}" for c in shown.networks)
    yield from Maps(
        name="saliency",
        colours="inferno",
        norm=norm,
        scale="|∂ logit of the true class / ∂ pixel|, largest of the channels (square-root scale)",
        shown=shown,
        examples=examples,
        maps=maps,
        caption=(
            f"{shown.subject}: saliency, the absolute gradient of the true class's logit by the pixels, of "
            f"test images {examples.rows} (drawn by a hash, one a class), laid over them. {shown.notes} "
            "One colour scale for all, cut at the 99.8th percentile. Random weights: a network before "
            "training, on a scale of its own, whose map must look different if the others show what was "
            "learnt."
        ),
        alt=(
            f"Heat maps over {len(examples.rows)} images, a row for each technique. Mean absolute gradients: "
            f"{listed}, n = 1 network each."
        ),
        summary=f"{shown.subject}, mean absolute gradient of the true logit: {listed}, n = 1 network each",
    ).draw(subject)
