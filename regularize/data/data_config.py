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
    """The share of the official training part that is held out; unless given, the validation part that was
    published with the set or, where there is none, a tenth. Example: `validation: 0.2`."""
    per_class: int | None = None
    """So many training examples of each class alone; a list trains on each size.
    Example: `per_class: [10, 30]`."""
    resize: int | None = None
    """Images are scaled until their shorter side has so many pixels, and the middle of the longer one is
    kept. Example: `resize: 32`."""
    channels: int | None = None
    """1 makes images grey, 3 repeats grey three times. Example: `channels: 1`."""

    def __post_init__(self) -> None:
        share = self.validation
        require(share is None or 0 < share < 1, "validation", share, "between 0 and 1")
        require(self.per_class is None or self.per_class > 0, "per_class", self.per_class, "at least 1")
        assert self.form is not None  # checks them

    @property
    def form(self) -> Form:
        return Form(resize=self.resize, channels=self.channels)

    @property
    def share(self) -> float:
        """What is held out where no validation part was published."""
        return SHARE if self.validation is None else self.validation

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what is not asked for of the form is not mentioned."""
        return {"name": self.name, "validation": self.validation, "per_class": self.per_class} | {
            name: value for name, value in vars(self.form).items() if value is not None
        }
