"""A network that fails where jobs train it, as `model: tests.cluster.failing_network:build`.

Not on the handful of examples by which `submit`, and several ranks, find out whether they can train it.
"""

from __future__ import annotations

import os

from torch import Tensor, nn


class Failing(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        if self.training and "SLURM_JOB_ID" in os.environ and len(x) > 5:
            raise RuntimeError("on purpose")
        return super().forward(x.flatten(1))


def build(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Failing(shape[0] * shape[1] * shape[2], classes)
