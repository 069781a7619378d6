"""The weights that are evaluated, where they are not those that are trained: averages, the best so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from regularize.errors import UserError
from regularize.models.network import Network
from regularize.objective import BoundTerm
from regularize.regularizers.hooks import StepEnd


class EvaluatedWeights:
    """What is evaluated of R networks in training, by the techniques that ask for it.

    `kept` has parameters and statistics by name, and is empty where no technique keeps any.
    """

    def __init__(self, model: Network, terms: Sequence[BoundTerm], names: Sequence[str]) -> None:
        self.model, self.terms = model, terms
        keeping = [name for name, term in zip(names, terms, strict=True) if _keeps(term)]
        if len(keeping) > 1:
            raise UserError(
                f"{' and '.join(keeping)} cannot be composed: each says which weights are evaluated"
            )
        acting = [name for name, term in zip(names, terms, strict=True) if term.hooks.evaluated]
        self.name = " of ".join([*acting, *keeping]) or "trained"
        self.trained_already = False
        self.kept = {name: value.clone() for name, value in self._own().items()} if keeping else {}

    def _own(self) -> dict[str, Tensor]:
        return {name: value.detach() for name, value in self.model.state_dict().items()}

    def after_step(self, end: StepEnd) -> None:
        """Bring averages up to date."""
        for term in self.terms:
            if term.hooks.keep:
                self._mix(term.hooks.keep(term.given.at(end.progress), end))

    def take(self, runs: Tensor) -> None:
        """Keep the weights of these runs, [R] bool, as they are now."""
        self._mix(runs.double())

    def _mix(self, share: Tensor) -> None:
        own = self._own()
        for name, kept in self.kept.items():
            weight = share.to(kept.device).view(-1, *[1] * (kept.ndim - 1))
            if kept.is_floating_point():
                kept.lerp_(own[name], weight.to(kept.dtype))
            else:  # such as a number of batches
                kept.copy_(torch.where(weight > 0, own[name], kept))

    @contextmanager
    def inside(self, last: StepEnd | None = None) -> Iterator[None]:
        """Inside, the networks have the weights that are evaluated: those of the results after the `last`
        step, or of a row of the curves.

        On the way a technique that keeps the best weights has the curves show those in training.
        """
        shown = last or any(term.hooks.keep for term in self.terms)
        kept: Mapping[str, Tensor] = self.kept if shown else {}
        acts = [(term.hooks.evaluated, term.given) for term in self.terms if term.hooks.evaluated]
        if self.trained_already or not (kept or acts):
            yield
            return
        own = {name: value.clone() for name, value in self._own().items()}
        with torch.no_grad():
            self.model.load_state_dict(own | dict(kept))
            if kept and last:
                for term in self.terms:  # what has to hold of the last weights
                    if term.hooks.project:
                        term.hooks.project(self.model.weights(), term.given.at(last.progress), last)
            for act, given in acts:
                act(self.model.weights(), given)
        try:
            yield
        finally:
            self.model.load_state_dict(own)


def _keeps(term: BoundTerm) -> bool:
    return bool(term.hooks.keep or term.hooks.watch)
