"""CutMix: a box of an image is replaced by that of a partner, and the loss is shared by the areas.

With probability p a step's examples are mixed: the box has a share 1 − λ of the area, λ uniform on [0, 1]
(α = 1 of the paper), its centre anywhere; what would be outside is cut off, and λ is then the share that is
left. Each example has a box of its own; partners are as in `mixup`. Does nothing at p = 0.

Cost: 1.30 of a plain step.
Figures: `occlusion`, `loss_gap`, `reliability`.

References:
    Yun, Han, Oh, Chun, Choe, Yoo, CutMix, 2019 (arXiv 1905.04899).
"""

from __future__ import annotations

import torch

from regularize.draws import Draws
from regularize.regularizers.batch import Batch, partners
from regularize.regularizers.cutout import boxes
from regularize.regularizers.hooks import Given, Hooks


def batch(batch: Batch, given: Given, draws: Draws) -> Batch:
    mixes = draws.uniform("cutmix") < given.strengths["p"].to(draws.dtype)
    uniform = draws.uniform_per_example("cutmix/boxes", (3,))
    side = (1 - uniform[..., 2]).sqrt()
    inside = boxes(uniform[..., :2], side, batch.x.shape[-2:]) & mixes.view(-1, 1, 1, 1)
    other = partners(batch, draws, "cutmix/partners")
    kept = 1 - inside.to(batch.x.dtype).flatten(2).mean(2)
    return batch.mixed(torch.where(inside.unsqueeze(2), other.x, batch.x), other.labels, kept)


HOOKS = Hooks(batch=batch)
