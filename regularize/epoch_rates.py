"""The learning rates of a pack's runs, made ready for an epoch at a time: a copy to the device is a wait."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from regularize.schedule import Timeline, learning_rate
from regularize.training_config import Training


class EpochRates:
    """`trainings` are those of the R runs."""

    def __init__(self, trainings: Sequence[Training], timeline: Timeline, device: torch.device) -> None:
        self.trainings, self.timeline, self.device = trainings, timeline, device
        self._known: tuple[int, list[list[float]], Tensor] | None = None

    def at(self, step: int) -> Sequence[float]:
        """Of a step (counted from 0), a number for each run."""
        return self._of(step)[0][step % self.timeline.per_epoch]

    def tensor(self, step: int) -> Tensor:
        """The same, [R] in float64 on the device."""
        return self._of(step)[1][step % self.timeline.per_epoch]

    def _of(self, step: int) -> tuple[list[list[float]], Tensor]:
        epoch = step // self.timeline.per_epoch
        if self._known is None or self._known[0] != epoch:
            first, last = epoch * self.timeline.per_epoch, self.timeline.steps
            steps = range(first, min(first + self.timeline.per_epoch, last))
            rates = [[learning_rate(each, step, last) for each in self.trainings] for step in steps]
            self._known = (epoch, rates, torch.tensor(rates, dtype=torch.float64, device=self.device))
        return self._known[1:]
