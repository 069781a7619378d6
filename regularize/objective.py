"""The whole loss of a pack as one module: data term and penalties.

DistributedDataParallel wraps this module rather than the network, so that what the penalties
contribute to the gradients is synchronised with the rest (DESIGN: W ranks = one rank).
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
from regularize.models.network import Network
from regularize.regularizers.hooks import Given, Hooks, Pass


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

    def forward(self, x: Tensor, labels: Tensor, draws: Draws, share: float) -> Tensor:
        """x [R, B, C, H, W] and labels [R, B] to the losses [R], to be averaged over the ranks.

        `share` is ranks / global batch: what one local example counts.
        """
        for term in self.terms:
            if term.hooks.inputs:
                x = term.hooks.inputs(x, self.pixel, term.given, draws)
        if any(term.hooks.differentiates_inputs for term in self.terms):
            x = x.detach().requires_grad_()
        state = Pass(
            weights=self.model.weights(),
            inputs=x,
            logits=self._logits(x, draws),
            labels=labels,
            share=share,
            draws=draws,
        )
        loss = state.mean(state.cross_entropy)
        for term in self.terms:
            if term.hooks.penalty:
                loss = loss + term.hooks.penalty(state, term.given).to(loss.dtype)
        return loss

    def _logits(self, x: Tensor, draws: Draws) -> Tensor:
        arguments = {"hidden": self._hidden(draws)}
        logits: Tensor = functional_call(self.model, self._perturbed(draws), (x,), arguments)
        return logits

    def _hidden(self, draws: Draws) -> Callable[[str, Tensor], Tensor]:
        acting = [term for term in self.terms if term.hooks.hidden]

        def hidden(layer: str, activations: Tensor) -> Tensor:
            for term in acting:
                assert term.hooks.hidden
                activations = term.hooks.hidden(layer, activations, term.given, draws)
            return activations

        return hidden

    def _perturbed(self, draws: Draws) -> dict[str, Tensor]:
        """The parameters that this pass runs with instead of the model's own."""
        perturbed: dict[str, Tensor] = {}
        for term in self.terms:
            if term.hooks.weight:
                for name in self.model.weights():
                    clean = perturbed.get(name, self.model.get_parameter(name))
                    perturbed[name] = term.hooks.weight(name, clean, term.given, draws)
        return perturbed
