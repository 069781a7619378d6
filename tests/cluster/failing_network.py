"""A network that fails where jobs train it, as `model: tests.cluster.failing_network:build`."""

from __future__ import annotations

import os

from torch import Tensor, nn


class Failing(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        if self.training and "SLURM_JOB_ID" in os.environ:
            raise RuntimeError("on purpose")
        return super().forward(x.flatten(1))


def build(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Failing(shape[0] * shape[1] * shape[2], classes)
