"""A network that jobs cannot train before the file `$PERMIT` is there: a mistake, and its mending.

A mistake that the handful of examples does not show by which `submit` tries a network.
"""

from __future__ import annotations

import os
from pathlib import Path

from torch import Tensor, nn


class Picky(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        forbidden = "SLURM_JOB_ID" in os.environ and not Path(os.environ["PERMIT"]).exists()
        if self.training and forbidden and len(x) > 5:
            raise RuntimeError("not yet permitted")
        return super().forward(x.flatten(1))


def build(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Picky(shape[0] * shape[1] * shape[2], classes)
