"""Stochastic weight averaging: the mean of the weights at the ends of epochs, from a share s of training on.

w̄ is the mean of w after the steps that end an epoch (or every so many, `every`), from the first one on
that lies at or after s·T of T steps, and of the last; until then it is w itself. w̄ is what is evaluated
(`evaluated` says so). The learning rate is the training's own: the paper has it constant or cyclic from s
on. Of what layers collect of batches the mean is taken, too; the paper passes the training examples once
more. Does nothing at s = 1.

Cost: 1.05 of a plain step.
Figures: `accuracy_curves`, `loss_curves`.

References:
    Izmailov, Podoprikhin, Garipov, Vetrov, Wilson, Averaging weights leads to wider optima and better
    generalization, 2018 (arXiv 1803.05407).
"""

from __future__ import annotations

import torch
from torch import Tensor

from regularize.regularizers.hooks import Given, Hooks, StepEnd


def keep(given: Given, end: StepEnd) -> Tensor:
    every = given.options["every"]
    steps = end.per_epoch if every == "epoch" else every
    begin = (given.strengths["begin"] * end.steps).ceil().clamp(min=1)
    # How many were averaged so far: multiples of `steps` from the beginning on, and the last step.
    counted = (end.step // steps) - ((begin - 1) / steps).floor()
    ends, last = end.step % steps == 0, end.step == end.steps
    averaged = counted + 1.0 * (last & (end.step % steps != 0))
    share = 1.0 * (ends | last) / averaged.clamp(min=1)
    return torch.where((end.step < begin) | (averaged == 0), 1.0, share)


HOOKS = Hooks(keep=keep)
