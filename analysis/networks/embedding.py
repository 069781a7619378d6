"""Activations in two or three dimensions, and how well their neighbourhoods keep classes together.

References:
    van der Maaten, Hinton, Visualizing data using t-SNE, 2008.
    Kobak, Berens, The art of using t-SNE for single-cell transcriptomics, 2019: initialise by PCA.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
NEIGHBOURS = 10
PERPLEXITY = 30
_ANGLE = 0.8  # how coarsely far points are summed up; 0.5 takes half as long again and ends no closer
_FAR = 5  # medians of the distance from the middle; the furthest points of maps are at two or three
_EXACT = 500  # points of which a map without sums of far ones takes seconds


def principal(points: Array, dimensions: int) -> tuple[Array, Array]:
    """Scores [N, d] of points [N, D] on their principal axes, and the share of variance of each, [d].

    The sign of an axis is such that its largest loading is positive. Axes beyond the rank are 0.
    """
    centred = points - points.mean(0)
    u, s, vt = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(vt[np.arange(len(vt)), np.abs(vt).argmax(1)])
    scores, variance = u * (s * signs), s**2
    total = variance.sum()
    share = variance / total if total > 0 else variance
    missing = max(0, dimensions - len(s))
    return (
        np.pad(scores[:, :dimensions], ((0, 0), (0, missing))),
        np.pad(share[:dimensions], (0, missing)),
    )


def neighbours_map(groups: Sequence[Array], dimensions: int, seed: int = 0) -> list[Array]:
    """One t-SNE of the activations of all networks: for each group [N, D], places [N, d].

    Each network's are first centred and divided by their root mean square: what is compared is how
    they lie, not how large they are. Starts from the principal components. One thread, so that the
    sums are always taken in the same order. Where the sums of far points have flung one away, beside
    which all others would be a spot, the map is made without them.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    joint = np.concatenate([_scaled(points) for points in groups])
    perplexity = min(PERPLEXITY, (len(joint) - 1) / 3)
    with threadpool_limits(1):
        fit = TSNE(
            n_components=dimensions, init="pca", perplexity=perplexity, angle=_ANGLE, random_state=seed
        )
        places = fit.fit_transform(joint).astype(np.float64)
        if _flung(places) and len(joint) <= _EXACT:
            places = fit.set_params(method="exact").fit_transform(joint).astype(np.float64)
    return list(np.split(places, np.cumsum([len(points) for points in groups])[:-1]))


def _flung(places: Array) -> bool:
    """Whether a point lies far from all others."""
    distances = np.linalg.norm(places - np.median(places, axis=0), axis=1)
    return bool(distances.max() > _FAR * np.median(distances) > 0)


def purity(points: Array, labels: NDArray[np.int64], neighbours: int = NEIGHBOURS) -> float:
    """The mean share of a point's nearest neighbours [N, D] that have its label [N].

    Distances are Euclidean, the point itself does not count, equals are taken in their order.
    """
    squares = (points**2).sum(1)
    distances = squares[:, None] + squares[None] - 2 * points @ points.T
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argsort(1, kind="stable")[:, : min(neighbours, len(points) - 1)]
    return float((labels[nearest] == labels[:, None]).mean())


def _scaled(points: Array) -> Array:
    centred: Array = points - points.mean(0)
    size = np.sqrt((centred**2).mean())
    return centred / size if size > 0 else centred
