"""A network that, in the middle of training, takes all memory of a control group, as `model: …:build`.

As often as the file `$HUNGRY` has characters; `$CGROUP` is the group's folder. Not on the handful of examples
by which `submit` tries it.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor, nn


class Hungry(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        hungry = Path(os.environ["HUNGRY"])
        if self.training and len(x) > 5 and (times := len(hungry.read_bytes())):
            hungry.write_bytes(b"x" * (times - 1))
            (Path(os.environ["CGROUP"]) / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
            taken = [torch.ones(2**22) for _ in range(64)]  # a gibibyte at most, whatever the group is like
            raise AssertionError(f"{len(taken)} × 16 MiB were to be had")
        return super().forward(x.flatten(1))


def build(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Hungry(shape[0] * shape[1] * shape[2], classes)
