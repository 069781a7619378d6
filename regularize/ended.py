"""Which runs of a pack go on no longer: as tensors on the device that trains, which nobody waits for."""

from __future__ import annotations

import torch
from torch import Tensor


class Ended:
    """R runs, and the steps (counted from 1) in which they diverged or were stopped; 0: they were not.

    Attributes:
        diverged: [R], on the device.
        stopped: [R], by a technique.
    """

    def __init__(self, runs: int, device: torch.device) -> None:
        self.device = device
        self.diverged = torch.zeros(runs, dtype=torch.int64, device=device)
        self.stopped = torch.zeros(runs, dtype=torch.int64, device=device)

    @property
    def going(self) -> Tensor:
        """[R] bool."""
        return (self.diverged + self.stopped) == 0

    def diverge(self, runs: Tensor, step: int | Tensor) -> None:
        """Note of these runs [R], on the device, that they diverged in this step, unless they had before."""
        # `masked_fill_` would wait for a step that lies on the device.
        self.diverged.copy_(torch.where(runs & (self.diverged == 0), step, self.diverged))

    def stop(self, runs: Tensor, step: int) -> None:
        """Note of these runs, which went on until now, that they end with this step."""
        self.stopped.masked_fill_(runs, step)

    def all_of(self, runs: int) -> bool:
        """Whether none of the first so many goes on, and one was stopped. Waits for the device."""
        stopped = self.stopped[:runs] > 0
        return bool(stopped.any() and (stopped | (self.diverged[:runs] > 0)).all())

    def load(self, diverged: Tensor, stopped: Tensor | None) -> None:
        """Take what was noted earlier."""
        self.diverged = diverged.to(self.device)
        self.stopped = self.stopped if stopped is None else stopped.to(self.device)
