"""Which data a run sees: a part of what defines it. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from regularize.data.form import SHARE, Form
from regularize.errors import require


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """A data set, which part of it is trained on, and in which form.

    `validation` is the share of the official training part that is held out; None stands for the
    validation part that was published with it or, where there is none, for a tenth. `per_class` keeps
    that many training examples of each class (few-shot), None keeps all. `resize` and `channels` are
    those of `regularize.data.form.Form`.
    """

    name: str
    validation: float | None = None
    per_class: int | None = None
    resize: int | None = None
    channels: int | None = None

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
