"""How much is measured: as much as is good to have, at a share of what training costs.

Unless the sweep says otherwise, the curves have a row an epoch, up to 50, and at least 20 where there
are as many steps. They cost at most a tenth of the training, on samples of as many examples as that pays
for; the Jacobian's norm costs at most a tenth, too, and robustness a quarter. There are limits below
which a number says too little, and above which more examples tell nothing new: of a training on few
examples, 80 of each split at every row can come to a quarter. What is left is the last row and the final
numbers, of whole splits, one forward pass. Runs that only a choice is made by have at most 20 rows, of the
validation part, and its final numbers. All runs of a pack key are measured on as many examples,
whatever their techniques cost. Free of torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from regularize.evaluation.settings import Evaluation
from regularize.schedule import Timeline

# What a measured example costs, relative to one in a training step of a LeNet: to classify it, and
# to take a gradient by its pixels, which training does not need.
FORWARD, GRADIENT = 1 / 3, 1.0
# What may be spent at most, in shares of what training costs.
ON_CURVES, ON_JACOBIANS, ON_ATTACKS = 0.1, 0.1, 0.25
_ROWS = (20, 50)
_ROWS_FOR_CHOICE = 20  # at most: what chooses is the last one
_LEAST_CURVE = 80  # examples of each split
_COPIES = 75  # corrupted ones of the test split, as CIFAR-10-C has of those that count
_JACOBIANS, _ATTACKED = (100, 1000), (80, 500)  # examples


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How many examples the splits have, and how many classes there are."""

    train: int
    validation: int
    test: int
    classes: int


@dataclass(frozen=True, kw_only=True)
class Extent:
    """An `Evaluation` in numbers; what all of it costs is in examples of a training step."""

    interval: int  # steps between rows of the curves
    curve_examples: int
    jacobian_examples: int
    attacked_examples: int
    cost: float

    @classmethod
    def of(cls, evaluation: Evaluation, timeline: Timeline, sizes: Sizes) -> Extent:
        """Of what is asked for; where it leaves that open, of what the training can pay for."""
        trained = sizes.train * timeline.steps / timeline.per_epoch
        splits: tuple[int, ...] = (min(sizes.train, evaluation.train_examples), sizes.validation, sizes.test)
        if evaluation.for_choice:
            splits = (sizes.validation,)

        def row(examples: int) -> int:
            return sum(min(examples, size) for size in splits)

        paid = ON_CURVES * trained / FORWARD  # beside the last row, which is among the final numbers
        interval = _interval(evaluation, timeline)
        rows = math.ceil(timeline.steps / interval)
        curve = evaluation.curve_examples or max(_LEAST_CURVE, _level(splits, paid / max(rows - 1, 1)))

        jacobians = evaluation.jacobian_examples
        if jacobians is None:
            jacobians = _within(_JACOBIANS, ON_JACOBIANS * trained / (GRADIENT * sizes.classes))
        jacobians = min(jacobians, sizes.test)

        attacked, each = 0, 0.0
        if attacks := evaluation.robustness:
            each = FORWARD * attacks.forwards + GRADIENT * attacks.gradients
            attacked = min(attacks.examples or _within(_ATTACKED, ON_ATTACKS * trained / each), sizes.test)

        forwards = (rows - 1) * row(curve) + sum(splits)
        if evaluation.corruptions:
            forwards += _COPIES * min(evaluation.corruptions.examples, sizes.test)
        cost = FORWARD * forwards + GRADIENT * jacobians * sizes.classes + attacked * each
        return cls(
            interval=interval,
            curve_examples=min(curve, max(splits)),
            jacobian_examples=jacobians,
            attacked_examples=attacked,
            cost=cost,
        )

    def has_row(self, timeline: Timeline, step: int) -> bool:
        """Whether the metrics table has a row after `step` (counted from 1)."""
        return step == timeline.steps or step % self.interval == 0


def _interval(evaluation: Evaluation, timeline: Timeline) -> int:
    """Steps between rows: whole epochs, unless there are too few of them."""
    least, most = _ROWS
    if evaluation.every:
        return evaluation.every * timeline.per_epoch
    if evaluation.for_choice:
        unit = timeline.per_epoch if timeline.epochs >= _ROWS_FOR_CHOICE else 1
        return math.ceil(timeline.steps / unit / _ROWS_FOR_CHOICE) * unit
    if timeline.epochs >= least:
        return math.ceil(timeline.epochs / most) * timeline.per_epoch
    return max(1, timeline.steps // least)


def _within(limits: tuple[int, int], value: float) -> int:
    least, most = limits
    return int(min(max(value, least), most))


def _level(sizes: Iterable[int], total: float) -> int:
    """The largest number of examples of each split that is not more than `total` of all."""
    ascending = sorted(sizes)
    for position, size in enumerate(ascending):
        count = len(ascending) - position
        if size * count >= total:
            return int(total / count)
        total -= size
    return ascending[-1]
