"""Grids that go on by themselves where the choice fell on their edge, until it lies inside or may no more."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

from analysis.tables.strength_text import BATCH_SIZE, at_ends, open_edges, strength_numbers
from jobs.sweep.dialects import FIRST, NOW
from jobs.sweep.run_grid import Candidate
from jobs.sweep.tuned_settings import WIDTH
from regularize import regularizers
from regularize.config import RunConfig, Term
from regularize.errors import UserError
from regularize.interval import Interval
from regularize.models.variant import widened
from regularize.training_config import VALID

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
            setting: dict[str, Any] = {self.name: int(value) if self.valid.whole else value}
            return replace(config, training=replace(config.training, **setting))
        terms = [
            Term.build(term.technique, {**dict(term.options), **dict(term.strengths), self.name: value})
            if term.technique == self.technique
            else term
            for term in config.terms
        ]
        return replace(config, terms=tuple(terms))

    def following(self, values: Sequence[float], edge: float, dialect: int = NOW) -> float:
        """What follows on that edge of sorted values.

        By the grid's last step: a factor, or a difference where steps are even. A step that would reach the
        end of what is valid goes half the way there. Of whole numbers the next one beyond.
        """
        inner = values[1] if edge == values[0] else values[-2]
        even = len(values) > 2 and all(
            abs((high - low) / (values[1] - values[0]) - 1) < _EVEN for low, high in pairwise(values)
        )
        step = 2 * edge - inner if even or values[0] <= 0 else edge * edge / inner
        valid = self.valid if dialect > FIRST else self._valid_at_first
        if not valid.low < step < valid.high:
            step = (edge + (valid.low if step <= valid.low else valid.high)) / 2
        if valid.whole and dialect == FIRST:
            return float(round(step))
        if valid.whole:
            return float(math.floor(step) if step < edge else math.ceil(step))
        return float(f"{step:.12g}")

    @property
    def valid(self) -> Interval:
        if self.technique is None:
            return VALID[self.name]
        return regularizers.technique(self.technique).strengths[self.name]

    @property
    def _valid_at_first(self) -> Interval:
        """What the first dialect went by."""
        if self.technique is None:
            return Interval(high=1.0 if self.name == "momentum" else math.inf, whole=self.valid.whole)
        return replace(self.valid, whole=False)


def beyond(
    candidates: Sequence[Candidate],
    strengths: Sequence[str],
    tuned: Sequence[str],
    dialect: int = NOW,
    examples: float = math.inf,
) -> list[Candidate]:
    """What to try further: one step beyond each edge that the best of `strengths`, all equals, leaves open.

    Of several numbers the whole grid goes on, as if the sweep had listed one value more. In the `dialect` of
    the sweep: what a store has tried beyond an edge is what follows there. Batches go on to all `examples`
    that are trained on.
    """
    chosen, *equals = strengths
    best = next(config for config, strength in candidates if strength == chosen)
    configs, there = [config for config, _ in candidates], {strength for _, strength in candidates}
    # Both are in the order of `RunConfig.strength_with`.
    names = strength_numbers(chosen)
    axes = _axes(best, tuned)
    ended = at_ends(chosen, [axis.valid.ends for axis in axes], examples)
    left_open = open_edges(chosen, equals, [strength for _, strength in candidates], ended)
    for axis, name in zip(axes, names, strict=True):
        if name not in left_open:
            continue
        values = sorted({axis.of(config) for config in configs})
        value = axis.following(values, axis.of(best), dialect)
        if axis == (None, BATCH_SIZE):
            value = min(value, examples)
        if value == axis.of(best):  # it ends there, as what is valid does: the same runs would come twice
            continue
        try:
            configs += [axis.at(each, value) for each in configs if axis.of(each) == axis.of(best)]
        except UserError:
            continue
    further = (Candidate(config, config.strength_with(tuned)) for config in configs)
    return [each for each in further if each.strength not in there]


def reach(setting: str, values: Collection[float], times: int) -> list[float]:
    """What a tuned setting may be tried at beyond these values, widened so many times; the next first."""
    if len(values) < 2:  # it has no edges
        return []
    axis, grids = _Axis(None, setting), {frozenset(values)}
    found: list[float] = []
    for _ in range(times):
        grids = {
            grid | {axis.following(sorted(grid), edge)} for grid in grids for edge in (min(grid), max(grid))
        }
        found += sorted(frozenset().union(*grids) - {*values, *found})
    return found


def _axes(config: RunConfig, tuned: Sequence[str]) -> list[_Axis]:
    strengths = [_Axis(term.technique, name) for term in config.terms for name, _ in term.strengths]
    return strengths + [_Axis(None, name) for name in tuned]
