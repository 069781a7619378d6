"""The numbers that a run ends with and that regularizers are compared by: one table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import pandas as pd

from analysis.notation.intervals import Interval
from analysis.notation.number_text import plus_minus, ratio
from regularize.errors import UserError, unknown


@dataclass(frozen=True, kw_only=True)
class Score:
    """A column of `results`, a difference of two, or the accuracy under an `attack` of this name and size.

    Values are multiplied by `factor` and then have `unit`, their differences `difference_unit`. Where
    values span orders of magnitude a difference says little: then it is one of natural logarithms
    (`is_ratio`), shown as a ratio. `better` is the word for the side that `higher_is_better` names. `rope`
    is the region of practical equivalence: differences within ±rope matter to nobody; None where there is no
    such convention.
    """

    what: str  # e.g. test accuracy
    title: str  # of a column
    column: str = ""
    minus: str | None = None
    attack: tuple[str, float] | None = None
    factor: float = 1.0
    unit: str = ""
    difference_unit: str = ""
    is_ratio: bool = False
    higher_is_better: bool = False
    better: str = "better"
    rope: float | None = None

    def of(self, results: pd.DataFrame) -> pd.Series:
        """The values of runs; of an attack they are in another table (see `Comparison.values`)."""
        values = results[self.column] - (results[self.minus] if self.minus else 0.0)
        return values * self.factor

    @property
    def sign(self) -> int:
        """1 where more is better, else −1."""
        return 1 if self.higher_is_better else -1

    def difference(self, found: Interval) -> str:
        """A difference of this score for people, without its unit; one that is a ratio as such."""
        return ratio(found) if self.is_ratio else plus_minus(found, signed=True)

    @property
    def difference_suffix(self) -> str:
        """The unit to set behind `difference`."""
        return f" {self.difference_unit}" if self.difference_unit and not self.is_ratio else ""


def _share(what: str, title: str, column: str, **more: object) -> Score:
    """A share in [0, 1], shown in percent."""
    settings: Mapping[str, object] = {"factor": 100, "unit": " %", "difference_unit": "pp"} | more
    return Score(what=what, title=title, column=column, **settings)  # type: ignore[arg-type]


def _accuracy(split: str) -> Score:
    return _share(f"{split} accuracy", "Acc. (%)", f"{split}_accuracy", higher_is_better=True, rope=0.2)


def _loss(what: str, title: str, column: str, minus: str | None = None) -> Score:
    return Score(what=what, title=title, column=column, minus=minus, unit=" nats", difference_unit="nats")


SCORES: dict[str, Score] = {
    "test_accuracy": _accuracy("test"),
    "test_loss": _loss("test loss", "Loss (nats)", "test_loss"),
    "loss_gap": _loss("test minus training loss", "Gap (nats)", "test_loss", "train_loss"),
    "test_brier": Score(what="Brier score", title="Brier", column="test_brier"),
    "test_ece": _share("calibration error (equal-width bins)", "ECE (%)", "test_ece"),
    "test_ece_mass": _share("calibration error (equal-mass bins)", "ECE (%)", "test_ece_mass"),
    "jacobian_norm": Score(
        what="Frobenius norm of ∂z/∂x",
        title="Jac. norm",
        column="jacobian_norm",
        is_ratio=True,
        difference_unit="ln ratio",
        better="less sensitive",
    ),
    "sparsity": _share(
        "share of weights that are 0", "Zeros (%)", "sparsity", higher_is_better=True, better="sparser"
    ),
    "validation_accuracy": _accuracy("validation"),
    "validation_loss": _loss("validation loss", "Loss (nats)", "validation_loss"),
}
DEFAULT = "test_accuracy"
_ATTACKS = {"noise": "white noise (σ = {})", "fgsm": "FGSM (ε = {})", "pgd": "PGD (ε = {})"}
_ATTACK = re.compile(rf"({'|'.join(_ATTACKS)}):(\d*\.?\d+(?:[eE][-+]?\d+)?|\d+/[1-9]\d*)")


def score(name: str) -> Score:
    """The score of that name: of the table, or an attack and its size, such as `pgd:8/255` or `noise:0.1`.

    Raises:
        UserError: there is none.
    """
    if found := _ATTACK.fullmatch(name):
        attack, size = found.groups()
        return Score(
            what=f"accuracy under {_ATTACKS[attack].format(size)}",
            title="Acc. (%)",
            attack=(attack, float(Fraction(size))),
            factor=100,
            unit=" %",
            difference_unit="pp",
            higher_is_better=True,
        )
    if name not in SCORES:
        raise UserError(unknown("metric", name, SCORES) + "; or an attack such as pgd:8/255")
    return SCORES[name]


def suffix(name: str) -> str:
    """What a score other than the default adds to the names of files."""
    return "" if name == DEFAULT else "-" + re.sub(r"[^\w.-]+", "-", name)
