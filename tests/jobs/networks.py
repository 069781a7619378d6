"""Networks that make trouble, as `model: tests.jobs.networks:slow`."""

from __future__ import annotations

import os
import time
from pathlib import Path

from torch import Tensor, nn

SECONDS_PER_STEP = 0.1


class Slow(nn.Linear):
    """Takes its time until the file `$LET_GO` is there: to be disturbed however fast the machine is."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training and not Path(os.environ["LET_GO"]).exists():
            time.sleep(SECONDS_PER_STEP)
        return super().forward(x.flatten(1))


class Broken(nn.Linear):
    """Cannot be trained on rank 1, which a handful of examples does not show."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training and os.environ["RANK"] == "1" and len(x) > 5:
            raise ArithmeticError("rank 1 cannot count")
        return super().forward(x.flatten(1))


def slow(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Slow(shape[0] * shape[1] * shape[2], classes)


def broken(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Broken(shape[0] * shape[1] * shape[2], classes)
