"""Which data a run sees: a part of what defines it. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from regularize.errors import require


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """A data set and which part of it is trained on.

    `validation` is the share of the official training part that is held out; `per_class` keeps
    that many training examples of each class (few-shot), None keeps all.
    """

    name: str
    validation: float = 0.1
    per_class: int | None = None

    def __post_init__(self) -> None:
        require(0 < self.validation < 1, "validation", self.validation, "between 0 and 1")
        require(self.per_class is None or self.per_class > 0, "per_class", self.per_class, "at least 1")
