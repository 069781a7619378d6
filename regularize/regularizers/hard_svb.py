"""Hard singular value bounding: W = U·clip(S, 1/(1+ε), 1+ε)·Vᵀ for every layer.

Convolution kernels are taken as (out, in·k·k) matrices. Weights start orthogonal (all singular
values 1: the orthogonal factor of the usual start, so that runs of one seed stay paired), unless
the entry says `start: default`; to tell the start's share of a gain, compare `none` with
`start: orthogonal`. They
are projected `every` so many steps and after the last one. The optimizer's momentum is left as
it is, as in the paper's algorithm: the momentum of a step that a projection undid goes on. There
is no strength at which it does nothing; ε → ∞ leaves only the start. A schedule multiplies ε itself:
with a cosine the band closes to singular values of 1, with a warm-up it opens from there. Composed with
`l1` or `elastic_net`, in whatever order, the band holds and the zeros of projected weights are not exact.

Cost: 1.02 of a plain step with a projection every 100 steps, 1.17 with one every 10.
Figures: `spectra`, `robustness_curves`.

References:
    Jia, Tao, Gao, Xu, Improving training of deep neural networks via singular value bounding, 2017.
    Jia, Li, Wen, Liu, Tao, Orthogonal deep neural networks, 2019 (arXiv 1905.05929).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from regularize.regularizers.hooks import Given, Hooks, StepEnd, Weights
from regularize.run_by_run import orthogonal, product, svd


def start(weights: Weights, _given: Given) -> None:
    orthogonal(weights)


def projects(options: Mapping[str, Any], step: int, steps: int) -> bool:
    return bool(step % options["every"] == 0 or step == steps)


def project(weights: Weights, given: Given, _end: StepEnd) -> None:
    for weight in weights.values():
        weight.copy_(bounded(weight, given.strengths["epsilon"]))


def bounded(weight: Tensor, epsilon: Tensor) -> Tensor:
    """Weights [R, out, in] with their singular values clipped to the band of ε [R].

    A run whose weights are no longer finite is returned as it is: it has diverged, and its
    pack mates must not notice.
    """
    finite = weight.isfinite().all(dim=(1, 2), keepdim=True)
    left, values, right = svd(torch.where(finite, weight, 0.0))
    high = 1 + epsilon.to(weight.dtype).unsqueeze(1)
    clipped = torch.minimum(torch.maximum(values, 1 / high), high)
    return torch.where(finite, product(left * clipped.unsqueeze(1), right), weight)


HOOKS = Hooks(start=start, project=project, projects=projects)
