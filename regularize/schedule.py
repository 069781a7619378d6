"""When things happen in a training: steps, epochs, learning rates."""

from __future__ import annotations

import math
from dataclasses import dataclass

from regularize.training_config import Training


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """`steps` in all, `per_epoch` of them an epoch; the last epoch may be cut short."""

    steps: int
    per_epoch: int

    @classmethod
    def of(cls, training: Training, examples: int) -> Timeline:
        """Of a training on so many examples."""
        per_epoch = math.ceil(examples / training.batch_size)
        return cls(steps=training.steps or (training.epochs or 0) * per_epoch, per_epoch=per_epoch)

    @property
    def epochs(self) -> int:
        """How many begin."""
        return math.ceil(self.steps / self.per_epoch)

    def ends_epoch(self, step: int) -> bool:
        """Whether `step` (counted from 1) is the last of its epoch."""
        return step % self.per_epoch == 0 or step == self.steps


def learning_rate(training: Training, step: int, steps: int) -> float:
    """The rate of `step` (counted from 0) of `steps`."""
    progress = step / steps
    if training.schedule == "cosine":
        return training.lr * (1 + math.cos(math.pi * progress)) / 2
    if training.schedule == "step":
        assert training.gamma is not None
        assert training.milestones is not None
        return training.lr * training.gamma ** sum(progress >= milestone for milestone in training.milestones)
    return training.lr
