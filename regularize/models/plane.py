"""The fixed read-out of a network that maps the plane to the plane: which corner is nearest."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from regularize.data.clusters import CENTRES


class NearestCorner(nn.Module):
    """Points z [R, B, 2] to logits C·z/2 [R, B, 4], the rows of C being the corners (±1, ±1).

    The corners are equally far from the origin, so that up to a constant these are the logits
    −‖z − c_k‖²/4: the class is the nearest corner. And the columns of C/2 are orthonormal, so that
    nothing is stretched on the way: for the Jacobians ∂z/∂x = J and ∂logits/∂x = C·J/2,

        ‖C·J/2‖_F = ‖J‖_F   and   √det((C·J/2)ᵀ(C·J/2)) = |det J|,

    and every technique that acts on the logits' Jacobian acts on the map of the plane itself. Even the
    sign of det J is there, in the basis of these columns.
    """

    columns: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("columns", torch.tensor(CENTRES) / 2, persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        return z @ self.columns.t()

    def basis(self, logits: Tensor) -> Tensor:
        """The columns of C/2 as rows [2, 4], in which the coordinates of the logits are z."""
        return self.columns.t().to(logits)
