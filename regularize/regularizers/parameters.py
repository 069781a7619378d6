"""What a technique can be given: strengths, which are tuned, and options, which are not.

Free of torch, so that a sweep of ten thousand runs is checked and planned in a second.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from regularize.errors import UserError, one_of


@dataclass(frozen=True, kw_only=True)
class Strength:
    """A tuned number; runs of one pack may differ in it. Valid in [low, high], or [low, high)."""

    meaning: str
    low: float = 0.0
    high: float = math.inf
    below_high: bool = False
    default: float | None = None

    def check(self, value: Any) -> float:
        """The value as a float, or `ValueError` saying what is valid."""
        end = ")" if self.below_high or math.isinf(self.high) else "]"
        valid = f"a number in [{self.low:g}, {self.high:g}{end}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(valid)
        inside = self.low <= value < self.high or (value == self.high and not self.below_high)
        if not (inside and math.isfinite(value)):
            raise ValueError(valid)
        return float(value)


@dataclass(frozen=True, kw_only=True)
class Option:
    """A setting that all runs of a pack share: a positive integer, a word, or a list of words."""

    meaning: str
    default: Any
    words: tuple[str, ...] = ()
    integers: bool = False
    names: bool = False

    def check(self, value: Any) -> Any:
        """The value in its canonical form, or `ValueError` saying what is valid."""
        if self.integers and isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        if isinstance(value, str) and value in self.words:
            return value
        if self.names and isinstance(value, list | tuple) and all(isinstance(v, str) for v in value):
            return tuple(value)
        kinds = ["a positive integer"] * self.integers + ["a list of layer names"] * self.names
        if self.words:
            kinds.append(one_of(value, self.words))
        raise ValueError(" or ".join(kinds))


@dataclass(frozen=True)
class Technique:
    """One row of the table: what a technique is, what it takes, where it is implemented.

    `module` is the file in this folder whose `HOOKS` implement it; `label` is for people.
    """

    label: str
    module: str
    strengths: Mapping[str, Strength] = field(default_factory=dict)
    options: Mapping[str, Option] = field(default_factory=dict)

    def canonical(self, name: str) -> str:
        """`strength` is understood as the technique's own word for it, where it has just one."""
        if name == "strength" and len(self.strengths) == 1:
            return next(iter(self.strengths))
        return name

    def check(self, name: str, value: Any) -> Any:
        """The checked value of the strength or option `name`.

        Raises:
            UserError: there is no such parameter, or the value is not valid.
        """
        name = self.canonical(name)
        parameter = self.strengths.get(name) or self.options.get(name)
        if parameter is None:
            raise UserError(f"unknown parameter {name!r}; {one_of(name, [*self.strengths, *self.options])}")
        try:
            return parameter.check(value)
        except ValueError as error:
            raise UserError(f"{name} is {value!r}, but must be {error}") from None
