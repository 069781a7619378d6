"""Adversarial training: every example is replaced by one within ε of it that the network finds hard.

The change is at most ε a pixel (of range [0, 1]; of points, a unit). With `steps: 1` it is FGSM,
ε·sign(∂L/∂x), else PGD from the image itself: so many steps of 2.5·ε/steps, each projected to within ε.
Pixels stay in [0, 1]. L is the cross-entropy against the labels (of a mixed example against both), by the
network of this step, masks and perturbed weights included; the changed examples count as constants. Costs a
pass a step of the attack. Does nothing at ε = 0.

Cost: 2.00 of a plain step with one step of the attack; another plain step for each further one.
Figures: `robustness_curves`, `decision_planes`, `saliency`.

References:
    Goodfellow, Shlens, Szegedy, Explaining and harnessing adversarial examples, 2014 (arXiv 1412.6572).
    Madry, Makelov, Schmidt, Tsipras, Vladu, Towards deep learning models resistant to adversarial attacks,
    2017 (arXiv 1706.06083).
"""

from __future__ import annotations

import torch

from regularize.draws import Draws
from regularize.regularizers.batch import Batch
from regularize.regularizers.hooks import Given, Hooks

_FURTHER = 2.5  # times ε is what all steps come to


def batch(batch: Batch, given: Given, _draws: Draws) -> Batch:
    steps: int = given.options["steps"]
    reach = given.over("epsilon", batch.x) * batch.pixel
    length = reach if steps == 1 else reach * (_FURTHER / steps)
    low, high = batch.x - reach, batch.x + reach
    if batch.bounds:  # of what is within them: noise may have left them before
        black, white = batch.bounds
        low, high = torch.maximum(low, black.minimum(batch.x)), torch.minimum(high, white.maximum(batch.x))
    attacked = batch
    for _ in range(steps):
        moved = attacked.x + length * batch.slope(attacked).sign()
        attacked = batch.with_inputs(torch.minimum(torch.maximum(moved, low), high))
    return attacked


HOOKS = Hooks(batch=batch)
