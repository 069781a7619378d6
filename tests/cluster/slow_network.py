"""A network that takes a second a step until it is let go, as `model: tests.cluster.slow_network:build`.

So a test can do its harm in the middle of the training, however fast or busy the machine is, and wastes
no time after it. The file `$LET_GO` lets it go; a handful of examples, as `submit` tries it with, is no step.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from torch import Tensor, nn

SECONDS_PER_STEP = 0.8


class Slow(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) > 5 and not Path(os.environ["LET_GO"]).exists():
            time.sleep(SECONDS_PER_STEP)
        return super().forward(x.flatten(1))


def build(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Slow(shape[0] * shape[1] * shape[2], classes)
