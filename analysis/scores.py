"""The numbers that a run ends with and that regularizers are compared by: one table."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from regularize.errors import UserError, one_of


@dataclass(frozen=True, kw_only=True)
class Score:
    """A column of `results`, or a difference of two.

    Values are multiplied by `factor` and then have `unit`, their differences `difference_unit`.
    `rope` is the region of practical equivalence: differences within ±rope matter to nobody; None
    where there is no such convention.
    """

    what: str  # e.g. test accuracy
    title: str  # of a column
    column: str
    minus: str | None = None
    factor: float = 1.0
    unit: str = ""
    difference_unit: str = ""
    higher_is_better: bool = False
    rope: float | None = None

    def of(self, results: pd.DataFrame) -> pd.Series:
        values = results[self.column] - (results[self.minus] if self.minus else 0.0)
        return values * self.factor

    @property
    def sign(self) -> int:
        """1 where more is better, else −1."""
        return 1 if self.higher_is_better else -1


def _accuracy(split: str) -> Score:
    return Score(
        what=f"{split} accuracy",
        title="Acc. (%)",
        column=f"{split}_accuracy",
        factor=100,
        unit=" %",
        difference_unit="pp",
        higher_is_better=True,
        rope=0.2,
    )


def _loss(split: str) -> Score:
    what = f"{split} loss in nats"
    return Score(what=what, title="Loss (nats)", column=f"{split}_loss", difference_unit="nats")


SCORES: dict[str, Score] = {
    "test_accuracy": _accuracy("test"),
    "test_loss": _loss("test"),
    "loss_gap": Score(
        what="test minus training loss in nats",
        title="Gap (nats)",
        column="test_loss",
        minus="train_loss",
        difference_unit="nats",
    ),
    "test_brier": Score(what="Brier score", title="Brier", column="test_brier"),
    "test_ece": Score(what="calibration error (equal-width bins)", title="ECE", column="test_ece"),
    "test_ece_mass": Score(what="calibration error (equal-mass bins)", title="ECE", column="test_ece_mass"),
    "validation_accuracy": _accuracy("validation"),
    "validation_loss": _loss("validation"),
}
DEFAULT = "test_accuracy"


def score(name: str) -> Score:
    """The score of that name.

    Raises:
        UserError: there is none.
    """
    if name not in SCORES:
        raise UserError(f"unknown metric {name!r}; {one_of(name, SCORES)}")
    return SCORES[name]
