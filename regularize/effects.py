"""Whether penalties do anything: their gradients against that of the cross-entropy.

A penalty can be there and act on nothing, at any strength and without a word: its gradient may vanish in
floating point, as that of a volume factor of 1e-18 does. So it is measured, at the strengths that
were asked for (whatever their schedule), in steps 1, 4, 16, 64, … of a training: later ones because a
hinge, for instance, has no gradient before the network is certain of something.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from regularize.distributed import Ranks
from regularize.draws import Draws
from regularize.objective import Objective, Take

NOTHING = 1e-6
"""Times the gradient of the cross-entropy: a penalty whose gradient never reached that did nothing."""


def due(step: int) -> bool:
    """Whether penalties are measured in this step (counted from 1): the powers of 4."""
    return step.bit_count() == 1 and step.bit_length() % 2 == 1


class Effects:
    """What penalties come to against the cross-entropy in R runs, each while it goes on.

    `largest` [R, T] are the largest `ratios` so far, NaN for a technique without a penalty.
    """

    def __init__(self, runs: int, techniques: Sequence[str], device: torch.device) -> None:
        self.techniques = techniques
        self.largest = torch.full((runs, len(techniques)), torch.nan, dtype=torch.float64, device=device)

    def take(self, found: Tensor, going: Tensor) -> None:
        """Take the ratios of a step, of the runs that are `going` [R]."""
        larger = torch.fmax(self.largest, found)
        self.largest = torch.where(going.to(larger.device).unsqueeze(1), larger, self.largest)

    def idle(self) -> list[list[str]]:
        """Of each run the techniques whose penalties have been nothing so far."""
        nothing = (self.largest < NOTHING).tolist()
        return [[name for name, none in zip(self.techniques, run, strict=True) if none] for run in nothing]

    def least(self) -> list[float | None]:
        """Of each run the least that a penalty's gradient came to."""
        there = self.largest.nan_to_num(nan=torch.inf)
        least = there.amin(1).tolist() if there.shape[1] else [math.inf] * len(there)
        return [value if math.isfinite(value) else None for value in least]


def ratios(
    objective: Objective,
    x: Tensor,
    labels: Tensor,
    draws: Draws,
    share: float,
    ranks: Ranks,
    take: Take | None = None,
) -> Tensor:
    """‖∇ penalty‖ / ‖∇ cross-entropy‖ over all parameters: [R, T], NaN for a term without a penalty.

    What a proximal step sees to counts with its gradient. All ranks ask together.
    """
    parameters = list(objective.model.parameters())
    data, penalties = objective.parts(x, labels, draws, share, take)
    scale = _norm(data, parameters, ranks).clamp(min=torch.finfo(torch.float64).tiny)
    absent = torch.full_like(scale, torch.nan)
    found = [absent if p is None else _norm(p, parameters, ranks) / scale for p in penalties]
    return torch.stack(found, 1)


def _norm(losses: Tensor, parameters: Sequence[Tensor], ranks: Ranks) -> Tensor:
    """Of the gradient, averaged over the ranks: [R]."""
    if not losses.requires_grad:
        return torch.zeros_like(losses, dtype=torch.float64)
    found = torch.autograd.grad(
        losses.sum(), parameters, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    whole = torch.cat([gradient.flatten(1) for gradient in found], 1).double()
    norms: Tensor = ranks.mean(whole).norm(dim=1)
    return norms
