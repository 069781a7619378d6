"""Jacobian regularization: (λ/2)·mean_b ‖∂z/∂x_b‖_F², z the logits, x the normalised inputs.

With `projections: n` it is estimated from n random directions v, uniform on the sphere in R^K:
E K·‖vᵀJ‖² = ‖J‖_F². With `projections: exact` the K unit vectors are used. Does nothing
at λ = 0.

References:
    Hoffman, Roberts, Yaida, Robust learning with Jacobian regularization, 2019 (arXiv 1908.02729).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from regularize.regularizers.hooks import Given, Hooks, Pass


def penalty(state: Pass, given: Given) -> Tensor:
    squares = [vjp(state, direction).flatten(2).square().sum(2) for direction in directions(state, given)]
    classes = state.logits.shape[-1]
    scale = 1.0 if given.options["projections"] == "exact" else classes / len(squares)
    return given.strengths["strength"] / 2 * state.mean(scale * torch.stack(squares).sum(0))


def directions(state: Pass, given: Given) -> list[Tensor]:
    """The directions in logit space, each [R, B, K] and of unit length."""
    classes, count = state.logits.shape[-1], given.options["projections"]
    if count == "exact":
        basis = one_hot(torch.arange(classes, device=state.logits.device), classes).to(state.logits.dtype)
        return [unit.expand_as(state.logits) for unit in basis]
    normal = state.draws.normal_per_example("projections", (count, classes))
    unit = normal / normal.norm(dim=-1, keepdim=True)
    return list(unit.unbind(2))


def vjp(state: Pass, direction: Tensor) -> Tensor:
    """vᵀJ for every example, [R, B, C, H, W], itself differentiable."""
    (product,) = torch.autograd.grad(state.logits, state.inputs, direction, create_graph=True)
    return product


HOOKS = Hooks(penalty=penalty, differentiates_inputs=True)
