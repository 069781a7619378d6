"""A network that cannot be built before the file `$PERMIT` is there: a mistake, and its mending."""

from __future__ import annotations

import os
from pathlib import Path

from torch import nn


def build(shape: tuple[int, ...], classes: int) -> nn.Module:
    if not Path(os.environ["PERMIT"]).exists():
        raise RuntimeError("not yet permitted")
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], classes))
