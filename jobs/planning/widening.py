"""Grids that go on by themselves where the choice fell on their edge, until it lies inside or may no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

from jobs.sweep.run_grid import Candidate
from jobs.sweep.tuned_settings import NUMBERS, WIDTH
from regularize.config import RunConfig, Term
from regularize.errors import UserError
from regularize.models.variant import widened

_EVEN = 1e-9  # to which steps of a grid count as equal


class _Axis(NamedTuple):
    """A number that candidates differ in: a technique's strength, or (`technique` None) a tuned setting."""

    technique: str | None
    name: str

    def of(self, config: RunConfig) -> float:
        if self.technique is None:
            return config.setting(self.name)
        term = next(term for term in config.terms if term.technique == self.technique)
        return dict(term.strengths)[self.name]

    def at(self, config: RunConfig, value: float) -> RunConfig:
        """The configuration with another number.

        Raises:
            UserError: there is no such strength or setting: this is as far as it goes.
        """
        if self.technique is None and self.name == WIDTH:
            return replace(config, model=widened(config.model, value))
        if self.technique is None:
            setting: dict[str, Any] = {self.name: value}
            return replace(config, training=replace(config.training, **setting))
        terms = [
            Term.build(term.technique, {**dict(term.options), **dict(term.strengths), self.name: value})
            if term.technique == self.technique
            else term
            for term in config.terms
        ]
        return replace(config, terms=tuple(terms))


def beyond(
    candidates: Sequence[Candidate], strengths: Sequence[str], tuned: Sequence[str]
) -> list[Candidate]:
    """What to try further: one step beyond each edge on which the best `strengths` lie, all of these equals.

    Of several numbers the whole grid goes on, as if the sweep had listed one value more.
    """
    best, *equals = (config for config, strength in candidates if strength in strengths)
    configs, there = [config for config, _ in candidates], {strength for _, strength in candidates}
    for axis in _axes(best, tuned):
        value = _next(sorted({axis.of(config) for config in configs}), axis.of(best))
        if value is None or any(axis.of(each) != axis.of(best) for each in equals):
            continue
        try:
            configs += [axis.at(each, value) for each in configs if axis.of(each) == axis.of(best)]
        except UserError:
            continue
    further = (Candidate(config, config.strength_with(tuned)) for config in configs)
    return [each for each in further if each.strength not in there]


def _axes(config: RunConfig, tuned: Sequence[str]) -> list[_Axis]:
    strengths = [_Axis(term.technique, name) for term in config.terms for name, _ in term.strengths]
    return strengths + [_Axis(None, name) for name in tuned if name in NUMBERS]


def _next(values: Sequence[float], best: float) -> float | None:
    """What follows on that edge, by the grid's last step: a factor, or a difference where steps are even."""
    if len(values) < 2 or best not in (values[0], values[-1]):
        return None
    edge, inner = (values[0], values[1]) if best == values[0] else (values[-1], values[-2])
    even = len(values) > 2 and all(
        abs((high - low) / (values[1] - values[0]) - 1) < _EVEN for low, high in pairwise(values)
    )
    following = 2 * edge - inner if even or values[0] <= 0 else edge * edge / inner
    return float(f"{following:.12g}")
