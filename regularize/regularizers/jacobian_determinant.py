"""Determinant of the Jacobian: keeps the network from stretching or squeezing volumes.

J = ∂z/∂x of an example is K×d, the logits z against the normalised inputs x. It has a volume factor
rather than a determinant, V = √det(JJᵀ), the product of its singular values (√det(JᵀJ) where d < K), and
the penalty is the mean over the batch of

    log: λ·(log V)² = λ·(½ log det JJᵀ)²          volume: λ·(V − 1)²          signed: λ·(det J − 1)²

the first unless told otherwise, the last for square J only.
A network whose logits are confined to a subspace, as those for the plane are,
has K counted in that subspace. Does nothing at λ = 0.

Where J is nearly rank deficient, log V and its gradient grow without bound. The Gram matrix is therefore
computed in float64 with ε·(its mean eigenvalue) added to its diagonal, ε that of the training's own
precision: singular values below √ε (3e-4 in float32) of their root mean square count as that. In the
`volume` form such an example has V ≈ 0 and hardly a gradient: from there this form pulls nothing back. So
it is on networks for images, a LeNet-5 starting with V ≈ 1e-18, at any strength; results then say so
(`regularize.effects`).

Cost: 14 to 20 plain steps on ten classes: a backward pass a class.
Figures: `robustness_curves`, `decision_planes`; the films of `regularize animate` on the toy problem.

References:
    Volume factors and their penalties: Caterini, Loaiza-Ganem, Pleiss, Cunningham, Rectangular flows for
    manifold learning, 2021 (arXiv 2106.01413).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from regularize.regularizers.hooks import Given, Hooks, Pass


def penalty(state: Pass, given: Given) -> Tensor:
    form = FORMS[given.options["form"]]

    def of_rows(rows: list[Tensor]) -> Tensor:
        jacobian = torch.stack([row.flatten(2) for row in rows], dim=2)
        return given.strengths["strength"] * state.mean(form(jacobian))

    return state.jacobians.of_rows(state.jacobians.unit_directions, of_rows)


def log_volume(jacobian: Tensor) -> Tensor:
    """[…, K, d] to log √det(JJᵀ), or log √det(JᵀJ) where d < K: […], in float64."""
    wide = jacobian if jacobian.shape[-2] <= jacobian.shape[-1] else jacobian.transpose(-2, -1)
    exact = wide.double()
    gram = exact @ exact.transpose(-2, -1)
    mean = gram.diagonal(dim1=-2, dim2=-1).mean(-1, keepdim=True).detach()
    precision = torch.finfo(jacobian.dtype)
    floor = precision.eps * mean + math.sqrt(precision.tiny)  # the latter for a Jacobian that is 0
    twice: Tensor = torch.linalg.slogdet(gram + torch.diag_embed(floor.expand(gram.shape[:-1]))).logabsdet
    return twice / 2


def volume(jacobian: Tensor) -> Tensor:
    return (log_volume(jacobian).exp() - 1).square()


def log(jacobian: Tensor) -> Tensor:
    return log_volume(jacobian).square()


def signed(jacobian: Tensor) -> Tensor:
    determinant: Tensor = torch.linalg.det(jacobian)
    return (determinant - 1).square()


FORMS = {"volume": volume, "log": log, "signed": signed}

HOOKS = Hooks(penalty=penalty, differentiates_inputs=True)
