"""The numbers that a run ends with and that regularizers are compared by: one table."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import pandas as pd

from analysis.notation.intervals import Interval
from analysis.notation.number_text import plus_minus, ratio
from analysis.statistics import constant_guess as guess
from analysis.tables.region import Region
from regularize.errors import UserError, unknown


@dataclass(frozen=True, kw_only=True)
class Score:
    """A column of `results`, a difference of two, or the accuracy under an `attack` of this name and size.

    Values are multiplied by `factor` and then have `unit`, their differences `difference_unit`. Where
    values span orders of magnitude a difference says little: then it is one of natural logarithms
    (`is_ratio`), shown as a ratio. `better` is the word for the side that `higher_is_better` names.
    Differences within `region` matter to nobody; None where there is no such convention. `guess` is what
    a constant guess among so many classes scores, as which a diverged run counts; None where that is no
    number. `sampled` ones are means over a sample of the test examples; what each of these scores is kept.
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
    region: Region | None = None
    guess: Callable[[float], float] | None = None
    sampled: bool = False

    def of(self, results: pd.DataFrame) -> pd.Series:
        """The values of runs; of an attack they are in another table (see `Comparison.values`)."""
        values = results[self.column] - (results[self.minus] if self.minus else 0.0)
        return values * self.factor

    @property
    def tables(self) -> Sequence[str]:
        """The tables that it is read from, beside `runs` and `results`."""
        return ["robustness"] if self.attack else []

    @property
    def sign(self) -> int:
        """1 where more is better, else −1."""
        return 1 if self.higher_is_better else -1

    def of_a_guess(self, classes: float) -> float:
        """What a diverged run counts as; NaN where nothing is."""
        return self.factor * self.guess(classes) if self.guess else math.nan

    def rope(self, baseline: float) -> float | None:
        """Half the width of the region of practical equivalence, by the baseline's mean of this score."""
        if self.region is None or not self.region.relative:
            return self.region.size if self.region else None
        if self.is_ratio:
            return math.log1p(self.region.size)
        return self.region.size * abs(self.factor - baseline if self.higher_is_better else baseline)

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
    return _share(
        f"{split} accuracy",
        "Acc. (%)",
        f"{split}_accuracy",
        higher_is_better=True,
        region=Region(0.2),
        guess=guess.accuracy,
    )


def _loss(what: str, title: str, column: str, minus: str | None = None) -> Score:
    return Score(
        what=what,
        title=title,
        column=column,
        minus=minus,
        unit=" nats",
        difference_unit="nats",
        guess=None if minus else guess.loss,
    )


SCORES: dict[str, Score] = {
    "test_accuracy": _accuracy("test"),
    "test_loss": _loss("test loss", "Loss (nats)", "test_loss"),
    "loss_gap": _loss("test minus training loss", "Gap (nats)", "test_loss", "train_loss"),
    "test_brier": Score(what="Brier score", title="Brier", column="test_brier", guess=guess.brier),
    "test_ece": _share("calibration error (equal-width bins)", "ECE (%)", "test_ece"),
    "test_ece_mass": _share("calibration error (equal-mass bins)", "ECE (%)", "test_ece_mass"),
    "test_ece_scaled": _share("calibration error at a temperature", "ECE, T (%)", "test_ece_scaled"),
    "test_ece_mass_scaled": _share(
        "calibration error at a temperature (equal-mass bins)", "ECE, T (%)", "test_ece_mass_scaled"
    ),
    "jacobian_norm": Score(
        what="Frobenius norm of ∂z/∂x",
        title="Jac. norm",
        column="jacobian_norm",
        is_ratio=True,
        difference_unit="ln ratio",
        better="less sensitive",
        sampled=True,
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


def score(name: str, region: Region | None = None) -> Score:
    """The score of that name, with another region if one is given. See `_score`.

    Raises:
        UserError: there is none of that name.
    """
    found = _score(name)
    return replace(found, region=region) if region else found


def _score(name: str) -> Score:
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
            guess=guess.accuracy,
            sampled=True,
        )
    if name not in SCORES:
        raise UserError(unknown("metric", name, SCORES) + "; or an attack such as pgd:8/255")
    return SCORES[name]


def suffix(name: str) -> str:
    """What a score other than the default adds to the names of files."""
    return "" if name == DEFAULT else "-" + re.sub(r"[^\w.-]+", "-", name)
