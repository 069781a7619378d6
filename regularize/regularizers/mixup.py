"""Mixup: examples x = λ·x_i + (1 − λ)·x_j with the loss λ·L(y_i) + (1 − λ)·L(y_j), j a partner in the batch.

λ ~ Beta(α, α), one for a step's batch, as in the authors' code; each example of the global batch is a
partner once, whichever rank has it. Draws are by inverse distribution functions: runs of one seed have one
and the same quantile, whatever their α; on a GPU by Devroye's formula from the same three uniform numbers.
What other techniques of a combination did before is done to partners, too. Does nothing at α = 0.

Cost: 1.14 of a plain step.
Figures: `reliability`, `decision_planes`, `loss_gap`.

References:
    Zhang, Cisse, Dauphin, Lopez-Paz, mixup: beyond empirical risk minimization, 2018 (arXiv 1710.09412).
"""

from __future__ import annotations

import torch
from torch import Tensor

from regularize.draws import Draws
from regularize.regularizers.batch import Batch, partners
from regularize.regularizers.hooks import Given, Hooks


def batch(batch: Batch, given: Given, draws: Draws) -> Batch:
    alpha = given.strengths["alpha"]
    if draws.on_host:
        found = beta(alpha, draws.uniform("mixup"))
    else:
        found = beta_of(alpha, draws.uniform("mixup", (3,)))
    share = found.to(batch.x)
    other = partners(batch, draws, "mixup/partners")
    x = torch.lerp(other.x, batch.x, share.view(-1, *[1] * (batch.x.ndim - 1)))
    return batch.mixed(x, other.labels, share.unsqueeze(1).expand_as(batch.labels))


def beta(alpha: Tensor, quantile: Tensor) -> Tensor:
    """The quantiles [R] in [0, 1) of Beta(α, α), α [R]; 1 where α is 0."""
    from scipy.special import betaincinv

    known = alpha.double().cpu()
    shape = known.clamp(min=1e-3).numpy()
    found = torch.as_tensor(betaincinv(shape, shape, quantile.double().cpu().numpy()))
    return torch.where(known > 0, found, 1.0).to(alpha.device)


def beta_of(alpha: Tensor, uniform: Tensor) -> Tensor:
    """Beta(α, α) by three uniform numbers on [0, 1), [R, 3], in closed form: [R]; 1 where α is 0.

    Devroye, Random variate generation in one line of code, 1996.
    """
    u, v, w = uniform.to(alpha.dtype).unbind(-1)
    shape = alpha.clamp(min=1e-3)
    # u^(−1/α) − 1, which overflows for small α: then the share is 0 or 1, as it should be.
    odds = torch.expm1(-torch.log1p(-u) / shape)
    odds = odds * (2 * torch.pi * v).cos().square()
    less = 1 / (1 + odds + (odds.square() + odds).sqrt()) / 2
    found = torch.where(w < 0.5, less, 1 - less)
    return torch.where(alpha > 0, found, 1.0)


HOOKS = Hooks(batch=batch)
