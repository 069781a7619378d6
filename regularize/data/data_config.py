"""Which data a run sees: a part of what defines it. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from regularize.data.form import SHARE, Form
from regularize.errors import require


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """A data set, which part of it is trained on, and in which form (`regularize.data.form.Form`)."""

    name: str
    validation: float | None = None
    """The share of the official training part that is held out, or from 2 on how many of its examples; unless
    given, the validation part that was published with the set or, where there is none, a tenth.
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
        some = share is not None and (0 < share < 1 or (share >= 2 and share == int(share)))
        require(share is None or some, "validation", share, "between 0 and 1, or a number from 2 on")
        drawn = self.split_seed
        require(drawn is None or 0 <= drawn < 2**32, "split_seed", drawn, "in [0, 2**32)")
        require(self.per_class is None or self.per_class > 0, "per_class", self.per_class, "at least 1")
        assert self.form is not None  # checks them

    @property
    def form(self) -> Form:
        return Form(resize=self.resize, channels=self.channels)

    @property
    def share(self) -> float:
        """What is held out where no validation part was published: a share, or from 2 on a number."""
        return SHARE if self.validation is None else self.validation

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what is not asked for of the form and the split is not mentioned."""
        asked = {"split_seed": self.split_seed, **vars(self.form)}
        return {"name": self.name, "validation": self.validation, "per_class": self.per_class} | {
            name: value for name, value in asked.items() if value is not None
        }
