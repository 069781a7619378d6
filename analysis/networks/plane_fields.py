"""What a trained network does to the plane: class probabilities and local area factors on a grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from regularize.config import RunConfig
    from regularize.models.network import Network

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Fields:
    """Values at the points (x_j, y_i) of a grid, i and j from 0 to G − 1.

    Attributes:
        probabilities: [G, G, K], of every class.
        areas: [G, G], the area of the image of a small square divided by the square's own:
            √det(JᵀJ) of the logits' Jacobian J, which is |det J| of a network that maps the
            plane to the plane (see `regularize.models.plane`).
    """

    probabilities: Array
    areas: Array


def grid(half_width: float, points: int) -> Array:
    """The plane from −half_width to half_width in both directions: points [points², 2], row by row."""
    axis = np.linspace(-half_width, half_width, points)
    x, y = np.meshgrid(axis, axis)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def fields(config: RunConfig, state: Mapping[str, Tensor], points: Array) -> Fields:
    """The fields of the network of a run with the weights `state` [1, …], at points [G², 2]."""
    import torch

    model = _network(config, state)
    x = torch.from_numpy(points).unsqueeze(0).requires_grad_()
    logits = model(x)
    basis = model.basis(logits)
    rows = [torch.autograd.grad((logits @ v).sum(), x, retain_graph=True)[0][0] for v in basis]
    along_x, along_y = torch.stack(rows).unbind(-1)  # [m, N]: the columns of J, in the basis of the logits
    # det(JᵀJ); rounding may take it below 0 where the image is a line.
    squared = along_x.square().sum(0) * along_y.square().sum(0) - (along_x * along_y).sum(0).square()
    side = round(len(points) ** 0.5)
    return Fields(
        probabilities=logits.detach().softmax(-1).numpy().reshape(side, side, -1),
        areas=squared.clamp(min=0).sqrt().numpy().reshape(side, side),
    )


def _network(config: RunConfig, state: Mapping[str, Tensor]) -> Network:
    import torch

    from regularize import models
    from regularize.data.clusters import CENTRES

    model = models.build(config.model, [config.seed], shape=(2,), classes=len(CENTRES))
    model.load_state_dict(dict(state))
    return model.to(torch.float64).eval()
