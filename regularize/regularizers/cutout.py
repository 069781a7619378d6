"""Cutout: a square of every image is set to the mean of the training pixels (0 once normalised).

Its side is a share s of the image's, its centre anywhere in it: what would be outside is cut off, as in the
paper. Does nothing at s = 0.

Cost: 1.17 of a plain step.
Figures: `occlusion`, `loss_gap`.

References:
    DeVries and Taylor, Improved regularization of convolutional neural networks with cutout, 2017
    (arXiv 1708.04552).
"""

from __future__ import annotations

import torch
from torch import Tensor

from regularize.draws import Draws
from regularize.regularizers.hooks import Given, Hooks


def inputs(x: Tensor, _pixel: Tensor, given: Given, draws: Draws) -> Tensor:
    uniform = draws.uniform_per_example("cutout", (2,))
    side = given.over("side", uniform).expand_as(uniform)[..., 0]
    return torch.where(boxes(uniform, side, x.shape[-2:]).unsqueeze(2), 0.0, x)


def boxes(centre: Tensor, side: Tensor, size: tuple[int, ...] | torch.Size) -> Tensor:
    """Whether pixels [R, B, H, W] are in a box: its centre in [0, 1)² [R, B, 2], its side a share [R, B]."""
    within = []
    for axis, length in enumerate(size):
        places = torch.arange(length, device=centre.device, dtype=centre.dtype) + 0.5
        middle = (centre[..., axis] * length).floor().unsqueeze(-1) + 0.5
        half = (side * length).round().unsqueeze(-1) / 2
        within.append((places >= middle - half) & (places < middle + half))
    rows, columns = within
    return rows.unsqueeze(-1) & columns.unsqueeze(-2)


HOOKS = Hooks(inputs=inputs)
