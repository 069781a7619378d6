"""What a technique can be given: strengths, which are tuned, and options, which are not.

Free of torch, so that a sweep of ten thousand runs is checked and planned in a second.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from regularize.errors import UserError, one_of, unknown
from regularize.interval import Interval

if TYPE_CHECKING:
    from regularize.models.outline import Outline


@dataclass(frozen=True, kw_only=True)
class Strength(Interval):
    """A tuned number; runs of one pack may differ in it. `weaker` is which way it regularizes less."""

    meaning: str
    default: float | None = None
    weaker: Literal["smaller", "larger"] = "smaller"


@dataclass(frozen=True, kw_only=True)
class Option:
    """A setting that all runs of a pack share: a number, a positive integer, a word, or a list of words."""

    meaning: str
    default: Any
    words: tuple[str, ...] = ()
    numbers: Interval | None = None
    integers: bool = False
    names: bool = False

    def check(self, value: Any) -> Any:
        """The value in its canonical form, or `ValueError` saying what is valid."""
        if isinstance(value, str) and value in self.words:
            return value
        if self.integers and isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        if self.names and _different_words(value):
            return tuple(value)
        kinds = ["a positive integer"] * self.integers + ["a list of different layer names"] * self.names
        if self.numbers:
            try:
                return self.numbers.check(value)
            except ValueError as error:
                kinds.append(str(error))
        if self.words:
            kinds.append(one_of(value, self.words))
        raise ValueError(" or ".join(kinds))


def _different_words(value: Any) -> bool:
    """Whether it is a list of them that is not empty."""
    words = isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
    return words and 0 < len(value) == len(set(value))


OF_EVERY_STRENGTH: Mapping[str, Option] = {
    "warmup": Option(
        meaning="share of the training in which strengths rise linearly from 0",
        default=0.0,
        numbers=Interval(high=1.0),
    ),
    "schedule": Option(
        meaning="what strengths do after that: stay, or fall to 0 at the end along half a cosine",
        default="constant",
        words=("constant", "cosine"),
    ),
}
"""The options of every technique that has strengths."""


def strength_factor(options: Mapping[str, Any], progress: float) -> float:
    """What strengths are multiplied with at a step, by the share of all steps that lies before it."""
    warmup: float = options["warmup"]
    if progress < warmup:
        return progress / warmup
    if options["schedule"] == "cosine":
        return (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2
    return 1.0


@dataclass(frozen=True)
class Technique:
    """One row of the table: what a technique is, what it takes, where it is implemented.

    Attributes:
        label: what people call it.
        module: the file in this folder whose `HOOKS` implement it; of a plug-in nothing.
        strengths: what is tuned, by name.
        options: what is not. Those that belong to every strength need not be listed.
        check_fit: is given the options and a network's outline, and raises `UserError` where these do not go
            together.
        check_options: the same of options alone, where one of them would change nothing beside another.
        family: of techniques that act alike; they share a colour. One of `FAMILIES`, else another one.
        symbol: what its only strength is called in formulas.
        cost: what it adds to a training step, relative to one without a technique, as far as is known; where
            options matter, as they are by default.
        keeps: whether it says which weights are evaluated, as only one of a combination can.
        start: how weights start with it unless a sweep says: one of `training_config.STARTS`; of a plug-in,
            whatever it says, `own` where its hooks start them, else `default`.
        hooks: of a plug-in, its implementation: a `regularize.regularizers.hooks.Hooks`.
    """

    label: str
    module: str = ""
    strengths: Mapping[str, Strength] = field(default_factory=dict)
    options: Mapping[str, Option] = field(default_factory=dict)
    check_fit: Callable[[Mapping[str, Any], Outline], None] = lambda _options, _network: None
    check_options: Callable[[Mapping[str, Any]], None] = lambda _options: None
    _: KW_ONLY
    family: str = "other"
    symbol: str = ""
    cost: float = 0.02
    keeps: bool = False
    start: str = "default"
    hooks: Any = None

    def __post_init__(self) -> None:
        if self.strengths:
            object.__setattr__(self, "options", {**self.options, **OF_EVERY_STRENGTH})
        if self.hooks is not None:  # which alone say how weights start with a plug-in
            own = getattr(self.hooks, "start", None)
            object.__setattr__(self, "start", "own" if own else "default")

    def canonical(self, name: str) -> str:
        """`strength` is understood as the technique's own word for it, where it has just one."""
        if name == "strength" and len(self.strengths) == 1:
            return next(iter(self.strengths))
        return name

    def check_together(self, options: Mapping[str, Any]) -> None:
        """Raises `UserError` where one of all its options changes nothing beside another."""
        if options.get("warmup") == 1 and options["schedule"] != "constant":
            schedule = options["schedule"]
            raise UserError(
                f"schedule is {schedule!r}, which changes nothing: warmup is 1, all of the training"
            )
        self.check_options(options)

    def check(self, name: str, value: Any) -> Any:
        """The checked value of the strength or option `name`.

        Raises:
            UserError: there is no such parameter, or the value is not valid.
        """
        name = self.canonical(name)
        parameter = self.strengths.get(name) or self.options.get(name)
        if parameter is None:
            raise UserError(unknown("parameter", name, [*self.strengths, *self.options]))
        try:
            return parameter.check(value)
        except ValueError as error:
            raise UserError(f"{name} is {value!r}, but must be {error}") from None
