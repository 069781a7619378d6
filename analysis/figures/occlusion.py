"""How much the confidence in the true class drops where the image is hidden, the same for every technique."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analysis.figures.parts.attribution import IMAGES, Maps
from analysis.figures.parts.save import Drawing
from analysis.figures.parts.shown_networks import images_shown
from analysis.figures.parts.subject import Subject
from analysis.networks import attribution_maps
from analysis.networks.example_choice import one_a_class
from analysis.text.caption_phrases import name


def draw(subject: Subject) -> Iterator[Drawing]:
    """Drops laid over the images, on one colour scale."""
    from matplotlib.colors import Normalize

    shown = images_shown(subject)
    examples = one_a_class(shown.batches, IMAGES)
    side = examples.x.shape[-1]
    patch, stride = max(side // 4, 1), max(side // 28, 1)
    maps = {
        contender: attribution_maps.occlusion(trained, examples.x, examples.labels, patch, stride)
        .double()
        .numpy()
        for contender, trained in shown.networks.items()
    }
    largest = max(float(np.abs(found).max()) for found in maps.values())
    listed = "; ".join(f"{name(c)} {found.max((1, 2)).mean():.2f}" for c, found in maps.items())
    right = {
        contender: (trained.logits(examples.x).argmax(-1) == examples.labels).tolist()
        for contender, trained in shown.networks.items()
    }
    yield from Maps(
        name="occlusion",
        colours="RdBu_r",
        norm=Normalize(-largest, largest),
        scale="drop of the true class's probability (blue: hiding helps)",
        shown=shown,
        examples=examples,
        maps=maps,
        right=right,
        caption=(
            f"{shown.subject}: by how much the true class's probability drops where a grey patch of "
            f"{patch}×{patch} pixels, moved in steps of {stride}, hides the image; mean over the patches "
            f"that cover a pixel. Test images {examples.rows} (drawn by a hash, one a class). "
            f"✗: another class was predicted. {shown.notes} One colour scale for all."
        ),
        alt=(
            f"Maps over {len(examples.rows)} images, a row for each technique. Mean largest drops: "
            f"{listed}, n = 1 network each."
        ),
        summary=f"{shown.subject}, largest drop under occlusion: {listed}, n = 1 network each",
    ).draw(subject)
