"""When things happen in a training: steps, epochs, learning rates, rows of the metrics table."""

from __future__ import annotations

import math
from dataclasses import dataclass

from regularize.config import Training
from regularize.evaluation.settings import Evaluation

FORWARD = 1 / 3  # what a measured example costs, relative to one in a training step
_MOST_ROWS, _FEWEST_ROWS = 50, 5
_SHARE = 0.1  # of training that measuring rows may cost, where there are more than the fewest


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """`steps` in all, `per_epoch` of them an epoch; the last epoch may be cut short."""

    steps: int
    per_epoch: int
    every: int

    @classmethod
    def of(cls, training: Training, evaluation: Evaluation, *, examples: int, held_out: int) -> Timeline:
        """Of a training on so many examples, where so many `held_out` ones are measured at each row.

        Unless `every` is given there are at most 50 rows, and as few as keep evaluation below a tenth
        of training, but at least 5.
        """
        per_epoch = math.ceil(examples / training.batch_size)
        steps = training.steps or (training.epochs or 0) * per_epoch
        measured = held_out + min(evaluation.train_examples, examples)
        affordable = int(_SHARE * examples * steps / per_epoch / (FORWARD * measured))
        rows = min(max(affordable, _FEWEST_ROWS), _MOST_ROWS)
        every = evaluation.every or math.ceil(math.ceil(steps / per_epoch) / rows)
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
