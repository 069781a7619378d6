"""The whole loss of a pack as one module: data term and penalties.

DistributedDataParallel wraps this module rather than the network, so that what the penalties
contribute to the gradients is synchronised with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from regularize import regularizers
from regularize.config import RunConfig
from regularize.convolutions import Convolution
from regularize.draws import Draws
from regularize.errors import UserError
from regularize.fused.wanted import wanting
from regularize.jacobians import Jacobians
from regularize.layers import Link
from regularize.models.chain import Chain
from regularize.models.network import Network
from regularize.precision import half, is_half
from regularize.raised import defined
from regularize.regularizers.batch import Batch
from regularize.regularizers.hooks import Given, Hooks, Pass, Weights

Take = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Positions [R, B] in the global batch of a step to the inputs [R, B, …] and labels [R, B] there."""


@dataclass(frozen=True, kw_only=True)
class BoundTerm:
    """A technique with the strengths of a pack's runs."""

    hooks: Hooks
    given: Given


def bind(
    runs: Sequence[RunConfig],
    device: torch.device | str,
    convolutions: Callable[[], Mapping[str, Convolution]] = dict,
) -> list[BoundTerm]:
    """The terms of a pack, whose runs have the same techniques and options.

    `convolutions` are the network's by layer, asked for once, where a technique acts on them.
    """
    bound = []

    @cache
    def by_parameter() -> Mapping[str, Convolution]:
        return {f"{layer}.weight": each for layer, each in convolutions().items()}

    for position, term in enumerate(runs[0].terms):
        strengths = {
            name: torch.tensor(
                [dict(run.terms[position].strengths)[name] for run in runs],
                dtype=torch.float64,
                device=device,
            )
            for name, _ in term.strengths
        }
        given = Given(strengths=strengths, options=dict(term.options), convolutions=by_parameter)
        bound.append(BoundTerm(hooks=regularizers.implementation(term.technique), given=given))
    return bound


class Objective(nn.Module):
    """Per-run training loss of R networks on one batch."""

    def __init__(
        self,
        model: Network,
        terms: Sequence[BoundTerm],
        pixel: Tensor,
        bounds: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.terms = terms
        self.pixel, self.bounds = pixel, bounds

    def forward(
        self,
        x: Tensor,
        labels: Tensor,
        draws: Draws,
        share: float,
        progress: float | Tensor = 0.0,
        take: Take | None = None,
    ) -> Tensor:
        """x [R, B, …] and labels [R, B] to the losses [R], to be averaged over the ranks.

        `share` is ranks / global batch: what one local example counts. `progress` is the share of
        all steps that lies before this one, on which scheduled strengths depend. `take` finds other examples
        of the global batch.
        """
        terms = [BoundTerm(hooks=term.hooks, given=term.given.at(progress)) for term in self.terms]
        state = self._passed(terms, x, labels, draws, share, take)
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
        self, x: Tensor, labels: Tensor, draws: Draws, share: float, take: Take | None = None
    ) -> tuple[Tensor, list[Tensor | None]]:
        """The cross-entropy [R], and each term's penalty [R] at its full strength if it has one."""
        state = self._passed(self.terms, x, labels, draws, share, take)
        penalties: list[Tensor | None] = []
        for term in self.terms:
            both = [penalty for penalty in (term.hooks.penalty, term.hooks.proximal) if penalty]
            values = [_in_full_precision(term.hooks, each, state, term.given) for each in both]
            penalties.append(torch.stack(values).sum(0) if values else None)
        return state.mean(state.cross_entropy), penalties

    def _passed(
        self,
        terms: Sequence[BoundTerm],
        x: Tensor,
        labels: Tensor,
        draws: Draws,
        share: float,
        take: Take | None,
    ) -> Pass:
        """The forward pass of a step."""
        weights = self.model.weights() if any(_penalises(term.hooks) for term in terms) else {}
        seen = weights if any(term.hooks.differentiates_weights for term in terms) else {}
        passed, hidden = self._instead(terms, draws, seen), Factors(terms, draws)

        def logits_of(x: Tensor, **more: Any) -> Tensor:
            arguments = {"hidden": hidden, **more}
            found: Tensor = (
                functional_call(self.model, passed, (x,), arguments) if passed else self.model(x, **arguments)
            )
            return found.to(x.dtype)  # autocast's half precision ends here

        def slope(batch: Batch) -> Tensor:
            inputs = batch.x.detach().requires_grad_()
            with torch.enable_grad():
                log_p = F.log_softmax(logits_of(inputs), dim=-1)
                loss = batch.over_labels(lambda own: -log_p.gather(-1, own.unsqueeze(-1)).squeeze(-1))
                with wanting(weights=False):
                    (found,) = torch.autograd.grad(loss.sum(), inputs)
            return found

        examples = _Examples(pixel=self.pixel, bounds=self.bounds, slope=slope, take=take)
        batch = examples.made(x, labels, draws, terms)
        x = batch.x
        differentiates = any(term.hooks.differentiates_inputs for term in terms)
        if differentiates:
            x = x.detach().requires_grad_()
        links: list[Link] = []
        noted = {"links": links} if differentiates and isinstance(self.model, Chain) else {}
        logits = logits_of(x, **noted)
        if weights and self.model.computed_weights:
            weights = self.model.weights()  # as this pass has left them: spectral norms iterate
        return Pass(
            weights=weights,
            logits=logits,
            batch=batch,
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
    """The penalty [R]; what runs through the network again does so as the forward pass did.

    Raises:
        UserError: it is of another shape: as one number for all runs it would couple them.
    """
    with half(state.logits.device, is_half(state.logits) and hooks.differentiates_inputs):
        found = penalty(state, given)
    runs = len(state.logits)
    if not isinstance(found, Tensor) or found.shape != (runs,):
        what = f"a tensor of {list(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        name = getattr(penalty, "__qualname__", repr(penalty))
        raise UserError(
            f"the penalty {name} returned {what}, but must return a number for each of the {runs} runs, "
            f"[{runs}] ({defined(penalty)})"
        )
    return found.to(state.logits.dtype)


@dataclass(frozen=True, kw_only=True)
class _Examples:
    """The examples of a pass as techniques make them, one after the other.

    No function that calls itself: it would hold itself, and all of a pass until garbage is collected.
    """

    pixel: Tensor
    bounds: tuple[Tensor, Tensor] | None
    slope: Callable[[Batch], Tensor]
    take: Take | None

    def made(self, x: Tensor, labels: Tensor, draws: Draws, terms: Sequence[BoundTerm]) -> Batch:
        batch = Batch(
            x=x, labels=labels, pixel=self.pixel, bounds=self.bounds, mates=_no_mates, slope=self.slope
        )
        for number, term in enumerate(terms):
            if term.hooks.batch:
                batch = replace(batch, mates=partial(self._mates, draws, terms[:number]))
                batch = term.hooks.batch(batch, term.given, draws)
            if term.hooks.inputs:
                batch = batch.with_inputs(term.hooks.inputs(batch.x, self.pixel, term.given, draws))
        return batch

    def _mates(self, draws: Draws, before: Sequence[BoundTerm], positions: Tensor) -> Batch:
        assert self.take is not None, "mixing needs the other examples"
        return self.made(*self.take(positions), draws.at(positions), before)


def _no_mates(_positions: Tensor) -> Batch:
    raise AssertionError("asked for by nobody")


class Factors:
    """Multiplies a layer's activations, and later their tangents, with the same factors.

    Of fully connected layers [R, B, units]; where techniques act on them (`of_channels`), of convolutions
    [R, B, C, pixels].
    """

    def __init__(self, terms: Sequence[BoundTerm], draws: Draws) -> None:
        self.terms, self.draws = terms, draws
        self.of_channels = any(term.hooks.channels for term in terms)
        self.known: dict[tuple[str, torch.Size], list[Tensor]] = {}

    def __call__(self, layer: str, activations: Tensor) -> Tensor:
        key = layer, activations.shape
        if key not in self.known:
            self.known[key] = self._drawn(layer, activations)
        for factor in self.known[key]:
            activations = activations * factor
        return activations

    def _drawn(self, layer: str, activations: Tensor) -> list[Tensor]:
        of_image = activations.ndim == 4
        acts = [(t.hooks.channels if of_image else t.hooks.hidden, t.given) for t in self.terms]
        found = [act(layer, activations, given, self.draws) for act, given in acts if act]
        return [factor for factor in found if factor is not None]
