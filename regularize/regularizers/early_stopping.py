"""Early stopping: a run ends once its validation loss has not improved in k looks; the best weights count.

A look is taken at the end of every epoch, or every so many steps (`every`), at all of the validation part,
and also where training ends. An improvement is a loss (or with `measure: accuracy` an accuracy) better than
the best so far by more than `min_delta`. A run that ends is left as it is, whatever its pack mates do; its
curves end there and show the weights in training, its results are those of the best look (`evaluated` says
so). Nothing else of the training is changed. Does nothing at no patience: the best look counts even at an
infinite one.

The validation part, by which strengths are chosen too, is then used twice: the results are on the test
part.

Cost: 1.05 of a plain step with a look every ten steps; it ends before the others do.
Figures: `loss_curves`, `loss_gap`.

References:
    Prechelt, Early stopping – but when?, 1998.
"""

from __future__ import annotations

import torch
from torch import Tensor

from regularize.regularizers.hooks import Given, Hooks, Verdict


def watch(loss: Tensor, accuracy: Tensor, given: Given) -> Verdict:
    score = loss if given.options["measure"] == "loss" else -accuracy
    memory = given.memory
    best = memory.get("best", torch.full_like(score, torch.inf))
    waited = memory.get("waited", torch.zeros_like(score))
    better = score < best - given.options["min_delta"]
    better |= best.isinf() & ~score.isnan()
    memory["best"] = torch.where(better, score, best)
    memory["waited"] = torch.where(better, 0.0, waited + 1)
    return Verdict(best=better, stop=memory["waited"] >= given.strengths["patience"])


HOOKS = Hooks(watch=watch)
