"""Penalties on the Jacobians J = ∂logits/∂inputs of every example, without differentiating twice.

A penalty f on rows VJ, or on columns JU, has the gradient of a linear function of J. With M = ∂f/∂(VJ)
and everything but the parameters θ held constant,

    ∇θ f(VJ) = ∇θ Σ_i v_iᵀ J(θ) m_i ,    and in the same way    ∇θ f(JU) = ∇θ Σ_i w_iᵀ J(θ) u_i ,

and the gradient of vᵀJ(θ)u takes two passes beside the forward pass. Pulling v back through the
layers gives its adjoint δ at each layer, and vᵀJ at the inputs; pushing u forward gives a tangent at
each layer, and Ju at the logits. With layer l's derivative D_l at the point it was passed at,

    ∇θ vᵀJ(θ)u = Σ_l ∇θ δ_lᵀ D_l(θ) u_{l−1} ,    δ_l, u_{l−1} constant.

D_l is the weight of a linear layer, and depends on the activations where these are curved (tanh); from
there on the gradient is that of the ordinary backward pass. This is exact, for the estimators of
Hoffman, Roberts, Yaida 2019 as for any other penalty, and costs about one and a half training steps where
differentiating twice costs three (`tests/benchmarks/bench_steps.py`).

Networks other than a `Chain` are differentiated twice, which is also what the tests compare with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import grad
from torch.autograd.function import once_differentiable

from regularize.fused.wanted import wanting
from regularize.layers import Link

OfRuns = Callable[[list[Tensor]], Tensor]
"""A penalty [R] on n rows, each [R, B, *inputs], or on n columns, each [R, B, K]."""


@dataclass(frozen=True, kw_only=True)
class Jacobians:
    """The Jacobians at one forward pass.

    Attributes:
        inputs: [R, B, …], a leaf of the graph.
        logits: [R, B, K].
        basis: [m, K], orthonormal; it spans the subspace that the logits lie in.
        links: the layers of a `Chain` between inputs and logits; empty for other networks.
    """

    inputs: Tensor
    logits: Tensor
    basis: Tensor
    links: Sequence[Link]

    @property
    def unit_directions(self) -> list[Tensor]:
        """The basis as directions, m of [R, B, K]."""
        return [vector.expand_as(self.logits) for vector in self.basis]

    def of_rows(self, directions: Sequence[Tensor], penalty: OfRuns) -> Tensor:
        """`penalty` of the rows vᵀJ for directions v [R, B, K], and in the graph its gradient: [R].

        Directions may depend on the logits: with M as above, f(VJ) changes with v by J·m.
        """
        if not self.links:
            return penalty([self._row(v) for v in directions])
        pulled = [self._pull(v.detach(), self.inputs) for v in directions]
        value, slopes = _differentiated(penalty, [row for row, *_ in pulled])
        tangents = [self._push(slope) for slope in slopes]
        found = self._stated(value, [at_links for _, *at_links in pulled], tangents)
        for v, pushed in zip(directions, tangents, strict=True):
            if v.requires_grad:
                moved = (v * pushed[-1].detach()).flatten(1).sum(1)
                found = found + (moved - moved.detach())
        return found

    def of_columns(self, directions: Sequence[Tensor], penalty: OfRuns) -> Tensor:
        """`penalty` of the columns Ju for directions u [R, B, …], and in the graph its gradient: [R]."""
        if not self.links:
            return penalty([self._column(u) for u in directions])
        tangents = [self._push(u) for u in directions]
        columns = [tangent[-1].to(self.logits.dtype) for tangent in tangents]
        value, slopes = _differentiated(penalty, columns)
        adjoints = [self._pull(slope) for slope in slopes]
        return self._stated(value, adjoints, tangents)

    def _pull(self, direction: Tensor, *before: Tensor) -> list[Tensor]:
        """The adjoints of v at the tensors `before` the links, then at all links that depend on something."""
        outputs = [link.output for link in self.links if link.depends_on]
        with wanting(weights=False):
            return list(grad(self.logits, [*before, *outputs], direction, retain_graph=True))

    def _push(self, direction: Tensor) -> list[Tensor]:
        """The tangents at all links, the last being Ju; each link's is differentiable on its own."""
        tangents: list[Tensor] = []
        for link in self.links:
            direction = link.push(direction.detach())
            tangents.append(direction)
        return tangents

    def _stated(
        self, value: Tensor, adjoints: Sequence[list[Tensor]], tangents: Sequence[list[Tensor]]
    ) -> Tensor:
        """`value` [R] with the gradient of Σ_i Σ_l δ_lᵀ D_l u_{l−1} in the graph."""
        gradients: list[Tensor] = []
        for at_links, pushed in zip(adjoints, tangents, strict=True):
            found = self._gradients(at_links, pushed)
            gradients = [a + b for a, b in zip(gradients, found, strict=True)] if gradients else found
        sources = [tensor for link in self.links for tensor in link.depends_on]
        stated: Tensor = _Stated.apply(value, gradients, *sources)
        return stated

    def _gradients(self, at_links: list[Tensor], pushed: list[Tensor]) -> list[Tensor]:
        """∇ δ_lᵀ D_l u_{l−1} of each link l by what it depends on, in the order of the links.

        One by one: a curved activation also depends on the weights before it, but that is for the
        ordinary backward pass to see to.
        """
        adjoints, found = iter(at_links), list[Tensor]()
        for link, tangent in zip(self.links, pushed, strict=True):
            if link.depends_on:
                found += grad(tangent, link.depends_on, next(adjoints))
        return found

    def _row(self, direction: Tensor) -> Tensor:
        (row,) = grad(self.logits, self.inputs, direction, create_graph=True)
        return row

    def _column(self, direction: Tensor) -> Tensor:
        # vᵀJ is linear in v, and its derivative in the direction u of the inputs is Ju.
        v = torch.zeros_like(self.logits, requires_grad=True)
        (column,) = grad(self._row(v), v, direction, create_graph=True)
        return column


def _differentiated(penalty: OfRuns, at: list[Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
    """The penalty's value and its derivatives, both constant."""
    leaves = [tensor.detach().requires_grad_() for tensor in at]
    value = penalty(leaves)
    return value.detach(), grad(value.sum(), leaves)


class _Stated(torch.autograd.Function):
    """A value [R] whose gradients with respect to tensors of the graph were computed elsewhere."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: list[Tensor], *_sources: Tensor) -> Tensor:
        ctx.save_for_backward(*gradients)
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, wanted: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *(_over_runs(wanted, gradient) * gradient for gradient in ctx.saved_tensors)


def _over_runs(values: Tensor, tensor: Tensor) -> Tensor:
    """Values [R] shaped to be broadcast over [R, …], or over what convolutions work on, [B, R·C, H, W]."""
    values = values.to(tensor.dtype)
    if tensor.ndim == 4:
        return values.repeat_interleave(tensor.shape[1] // len(values)).view(1, -1, 1, 1)
    return values.view(-1, *[1] * (tensor.ndim - 1))
