"""When things happen in a training: steps, epochs, learning rates, rows of the metrics table."""

from __future__ import annotations

import math
from dataclasses import dataclass

from regularize.config import Evaluation, Training

_ROWS = 50


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """`steps` in all, `per_epoch` of them an epoch; the last epoch may be cut short."""

    steps: int
    per_epoch: int
    every: int

    @classmethod
    def of(cls, training: Training, evaluation: Evaluation, examples: int) -> Timeline:
        per_epoch = math.ceil(examples / training.batch_size)
        steps = training.steps or (training.epochs or 0) * per_epoch
        every = evaluation.every or math.ceil(math.ceil(steps / per_epoch) / _ROWS)
        return cls(steps=steps, per_epoch=per_epoch, every=every)

    @property
    def epochs(self) -> int:
        return math.ceil(self.steps / self.per_epoch)

    def ends_epoch(self, step: int) -> bool:
        """Whether `step` (counted from 1) is the last of its epoch."""
        return step % self.per_epoch == 0 or step == self.steps

    def evaluates(self, step: int) -> bool:
        """Whether the metrics table has a row after `step` (counted from 1)."""
        epoch = math.ceil(step / self.per_epoch)
        return step == self.steps or (self.ends_epoch(step) and epoch % self.every == 0)


def learning_rate(training: Training, step: int, steps: int) -> float:
    """The rate of `step` (counted from 0) of `steps`."""
    progress = step / steps
    if training.schedule == "cosine":
        return training.lr * (1 + math.cos(math.pi * progress)) / 2
    if training.schedule == "step":
        return training.lr * training.gamma ** sum(progress >= milestone for milestone in training.milestones)
    return training.lr
