"""Sentences that say what a comparison warrants, and no more."""

from __future__ import annotations

import math
from typing import Any

import pytest

from analysis.report.sentences import conclusions
from analysis.statistics.scores import SCORES

ACCURACY, LOSS = SCORES["test_accuracy"], SCORES["test_loss"]
COUNTS = {"n": 10, "n_diverged": 0, "n_unmeasured": 0}
BASELINE = {"regularizer": "none", "strength": "", "verdict": None, "refused": None, "added": None, **COUNTS}


def row(regularizer: str = "l2", strength: str = "0.01", **changes: Any) -> dict[str, Any]:
    """A contender that is better."""
    usual = {
        "regularizer": regularizer,
        "strength": strength,
        **COUNTS,
        "n_pairs": 10,
        "difference": 0.84,
        "difference_half": 0.22,
        "p_holm": 0.004,
        "confirmed": True,
        "rope": 0.2,
        "verdict": "better",
        "refused": None,
    }
    return usual | changes


def said(*rows: dict[str, Any]) -> list[str]:
    found = conclusions([BASELINE, *rows], ACCURACY)
    return [found.headline, *found.findings]


def test_a_difference_is_said_with_its_interval_seeds_and_p() -> None:
    assert said(row()) == [
        "Of 1 technique compared with no regularizer in test accuracy, 1 is better by more than chance.",
        "L2 (λ = 0.01) raises test accuracy by 0.8 ± 0.2 pp, which is better "
        "(10 paired seeds, p = 0.004 after Holm).",
    ]


def test_what_is_worse_comes_after_what_is_better_and_doubt_is_said() -> None:
    headline, better, worse = said(
        row("dropout", "0.5", verdict="worse", difference=-2.0, p_holm=0.0001, confirmed=False), row()
    )
    assert headline.endswith(
        "1 is better and 1 is worse by more than chance (the sign-flip check does not confirm 1 of them)."
    )
    assert better.startswith("L2")
    assert worse == (
        "Dropout (p = 0.5) lowers test accuracy by 2.0 ± 0.2 pp, which is worse "
        "(10 paired seeds, p < 0.001 after Holm; the sign-flip check does not confirm it)."
    )


@pytest.mark.parametrize(
    ("undecided", "end"),
    [(1, "of the other one, this is not shown."), (3, "of the other 3, this is not shown.")],
)
def test_of_the_rest_nothing_is_claimed(undecided: int, end: str) -> None:
    rest = [row("dropout", f"0.{n}", verdict="undecided") for n in range(1, undecided + 1)]
    assert said(row(), *rest)[0].endswith(f"1 is better by more than chance; {end}")


def test_of_a_loss_lower_is_better() -> None:
    found = conclusions([BASELINE, row(difference=-0.3, difference_half=0.1)], LOSS)
    assert "lowers test loss by 0.30 ± 0.10 nats, which is better" in found.findings[0]


def test_equivalence_is_a_finding() -> None:
    headline, equivalent = said(row(verdict="equivalent", difference=0.05, difference_half=0.1))
    assert headline.endswith("none is shown to differ from it by more than chance.")
    assert equivalent == (
        "L2 (λ = 0.01) makes no difference that matters: +0.05 ± 0.10 pp lies within ±0.2 pp "
        "(10 paired seeds)."
    )


def test_the_undecided_are_one_sentence_that_claims_nothing() -> None:
    _, undecided = said(row(verdict="undecided"), row("dropout", "0.5", verdict="undecided", difference=-0.1))
    assert undecided.startswith("Undecided, as the data show neither a difference nor that there is none: L2")
    assert undecided.endswith("and Dropout (p = 0.5) −0.1 ± 0.2 pp.")


@pytest.mark.parametrize("verdict", ["better", None])
def test_where_a_conclusion_is_refused_there_is_only_the_reason(verdict: str | None) -> None:
    refused = row(refused="3 paired seeds are too few", verdict=verdict, difference=math.nan)
    assert said(refused, row("dropout", "0.5", refused="3 paired seeds are too few", verdict=None)) == [
        "Nothing is concluded on test accuracy.",
        "Nothing is concluded on L2 (λ = 0.01) and Dropout (p = 0.5): 3 paired seeds are too few.",
    ]


def test_diverged_runs_are_counted() -> None:
    *_, diverged = said(row(n=8, n_diverged=2))
    assert diverged == "Runs that diverged, which the numbers leave out: 2 of 10 of L2 (λ = 0.01)."
