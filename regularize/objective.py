"""The whole loss of a pack as one module: data term and penalties.

DistributedDataParallel wraps this module rather than the network, so that what the penalties
contribute to the gradients is synchronised with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from regularize import regularizers
from regularize.config import RunConfig
from regularize.draws import Draws
from regularize.jacobians import Jacobians
from regularize.layers import Link
from regularize.models.chain import Chain
from regularize.models.network import Hidden, Network
from regularize.regularizers.hooks import Given, Hooks, Pass, Weights


@dataclass(frozen=True, kw_only=True)
class BoundTerm:
    """A technique with the strengths of a pack's runs."""

    hooks: Hooks
    given: Given


def bind(runs: Sequence[RunConfig], device: torch.device | str) -> list[BoundTerm]:
    """The terms of a pack, whose runs have the same techniques and options."""
    bound = []
    for position, term in enumerate(runs[0].terms):
        strengths = {
            name: torch.tensor(
                [dict(run.terms[position].strengths)[name] for run in runs],
                dtype=torch.float64,
                device=device,
            )
            for name, _ in term.strengths
        }
        given = Given(strengths=strengths, options=dict(term.options))
        bound.append(BoundTerm(hooks=regularizers.implementation(term.technique), given=given))
    return bound


class Objective(nn.Module):
    """Per-run training loss of R networks on one batch."""

    def __init__(self, model: Network, terms: Sequence[BoundTerm], pixel: Tensor) -> None:
        super().__init__()
        self.model = model
        self.terms = terms
        self.pixel = pixel

    def forward(self, x: Tensor, labels: Tensor, draws: Draws, share: float, progress: float = 0.0) -> Tensor:
        """x [R, B, …] and labels [R, B] to the losses [R], to be averaged over the ranks.

        `share` is ranks / global batch: what one local example counts. `progress` is the share of
        all steps that lies before this one, on which scheduled strengths depend.
        """
        terms = [BoundTerm(hooks=term.hooks, given=term.given.at(progress)) for term in self.terms]
        state = self._passed(terms, x, labels, draws, share)
        loss = state.mean(state.cross_entropy)
        for term in terms:
            if term.hooks.penalty:
                loss = loss + _in_full_precision(term.hooks, term.hooks.penalty, state, term.given)
            if term.hooks.proximal:
                with torch.no_grad():
                    value = _in_full_precision(term.hooks, term.hooks.proximal, state, term.given)
                loss = loss + value
        return loss

    def parts(
        self, x: Tensor, labels: Tensor, draws: Draws, share: float
    ) -> tuple[Tensor, list[Tensor | None]]:
        """The cross-entropy [R], and each term's penalty [R] at its full strength if it has one."""
        state = self._passed(self.terms, x, labels, draws, share)
        penalties: list[Tensor | None] = []
        for term in self.terms:
            both = [penalty for penalty in (term.hooks.penalty, term.hooks.proximal) if penalty]
            values = [_in_full_precision(term.hooks, each, state, term.given) for each in both]
            penalties.append(torch.stack(values).sum(0) if values else None)
        return state.mean(state.cross_entropy), penalties

    def _passed(
        self, terms: Sequence[BoundTerm], x: Tensor, labels: Tensor, draws: Draws, share: float
    ) -> Pass:
        """The forward pass of a step."""
        for term in terms:
            if term.hooks.inputs:
                x = term.hooks.inputs(x, self.pixel, term.given, draws)
        differentiates = any(term.hooks.differentiates_inputs for term in terms)
        if differentiates:
            x = x.detach().requires_grad_()
        links: list[Link] = []
        noted = {"links": links} if differentiates and isinstance(self.model, Chain) else {}
        arguments = {"hidden": _hidden(terms, draws), **noted}
        weights = self.model.weights() if any(_penalises(term.hooks) for term in terms) else {}
        seen = weights if any(term.hooks.differentiates_weights for term in terms) else {}
        logits: Tensor
        if passed := self._instead(terms, draws, seen):
            logits = functional_call(self.model, passed, (x,), arguments)
        else:
            logits = self.model(x, **arguments)
        logits = logits.to(x.dtype)  # autocast's half precision ends here
        return Pass(
            weights=weights,
            logits=logits,
            labels=labels,
            share=share,
            draws=draws,
            jacobians=Jacobians(inputs=x, logits=logits, basis=self.model.basis(logits), links=links),
        )

    def _instead(self, terms: Sequence[BoundTerm], draws: Draws, seen: Weights) -> dict[str, Tensor]:
        """The parameters that this pass runs with instead of the model's own.

        The `seen` ones are the weights themselves, so that the loss depends on these.
        """
        perturbed = {name: w.view_as(self.model.get_parameter(name)) for name, w in seen.items()}
        for term in terms:
            if term.hooks.weight:
                for name in self.model.weights():
                    clean = perturbed.get(name, self.model.get_parameter(name))
                    perturbed[name] = term.hooks.weight(name, clean, term.given, draws)
        return perturbed


def _penalises(hooks: Hooks) -> bool:
    return bool(hooks.penalty or hooks.proximal)


def _in_full_precision(
    hooks: Hooks, penalty: Callable[[Pass, Given], Tensor], state: Pass, given: Given
) -> Tensor:
    """The penalty [R]; what runs through the network again does so as the forward pass did."""
    half = torch.is_autocast_enabled(state.logits.device.type) and hooks.differentiates_inputs
    with torch.autocast(state.logits.device.type, torch.bfloat16, enabled=half):
        return penalty(state, given).to(state.logits.dtype)


def _hidden(terms: Sequence[BoundTerm], draws: Draws) -> Hidden:
    """Multiplies a layer's activations, and later their tangents, with the same factors."""
    factors: dict[tuple[str, torch.Size], list[Tensor]] = {}

    def hidden(layer: str, activations: Tensor) -> Tensor:
        key = layer, activations.shape
        if key not in factors:
            given = [t.hooks.hidden(layer, activations, t.given, draws) for t in terms if t.hooks.hidden]
            factors[key] = [factor for factor in given if factor is not None]
        for factor in factors[key]:
            activations = activations * factor
        return activations

    return hidden
