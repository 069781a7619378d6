"""Which data a run sees: a part of what defines it. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from regularize.data.form import Form
from regularize.errors import UserError, require

SHARE = 0.1  # of the training part, held out where no validation part was published and nothing is asked for
MATCHED: Final = "matched"
LEAST_MATCHED = 100


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """A data set, which part of it is trained on, and in which form (`regularize.data.form.Form`)."""

    name: str
    validation: float | Literal["matched"] | None = None
    """The share of the official training part that is held out, or from 2 on how many of its examples; unless
    given, the validation part that was published with the set or, where there is none, a tenth. Beside
    `per_class` unless given `matched`: as many as are trained on, but at least 100 and at most that tenth.
    Example: `validation: 500`."""
    per_class: int | None = None
    """So many training examples of each class alone; a list trains on each size.
    Example: `per_class: [10, 30]`."""
    split_seed: int | None = None
    """By which the validation part, and the few examples of each class, are drawn for every run; unless given
    by each run's own seed, so that intervals cover the choice of examples. Example: `split_seed: 0`."""
    resize: int | None = None
    """Images are scaled until their shorter side has so many pixels, and the middle of the longer one is
    kept. Example: `resize: 32`."""
    channels: int | None = None
    """1 makes images grey, 3 repeats grey three times. Example: `channels: 1`."""

    def __post_init__(self) -> None:
        share = self.validation
        if share == MATCHED:
            valid = "left out where no `per_class` is given: then it is a tenth"
            require(self.per_class is not None, "validation", share, valid)
        else:
            some = share is None or 0 < share < 1 or (share >= 2 and share == int(share))
            require(some, "validation", share, f"between 0 and 1, a number from 2 on, or {MATCHED}")
        drawn = self.split_seed
        require(drawn is None or 0 <= drawn < 2**32, "split_seed", drawn, "in [0, 2**32)")
        require(self.per_class is None or self.per_class > 0, "per_class", self.per_class, "at least 1")
        assert self.form is not None  # checks them

    @property
    def form(self) -> Form:
        return Form(resize=self.resize, channels=self.channels)

    @property
    def share(self) -> float | str:
        """What is held out where no validation part was published: a share, from 2 on a number, or a word."""
        return SHARE if self.validation is None else self.validation

    def held_out(self, count: int, classes: int) -> int:
        """How many of `count` training examples validate where no validation part was published."""
        if self.validation == MATCHED:
            return min(round(SHARE * count), max(LEAST_MATCHED, (self.per_class or 0) * classes))
        share = SHARE if self.validation is None else self.validation
        return round(share * count) if share < 1 else int(share)

    def check_held_out(self, count: int, classes: int) -> None:
        """
        Raises:
            UserError: nothing would be held out of `count` training examples, or nothing left of them.
        """
        held = self.held_out(count, classes)
        if not 0 < held < count:
            share = self.share if isinstance(self.share, str) else f"{self.share:g}"
            raise UserError(f"validation is {share}, which holds out {held} of {count} examples")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what is not asked for of the form and the split is not mentioned."""
        asked = {"split_seed": self.split_seed, **vars(self.form)}
        return {"name": self.name, "validation": self.validation, "per_class": self.per_class} | {
            name: value for name, value in asked.items() if value is not None
        }
