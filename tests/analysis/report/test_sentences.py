"""Sentences that say what a comparison warrants, and no more."""

from __future__ import annotations

import math
from typing import Any

import pytest

from analysis.report.sentences import conclusions
from analysis.statistics.scores import SCORES

ACCURACY, LOSS = SCORES["test_accuracy"], SCORES["test_loss"]
COUNTS = {"n": 10, "n_diverged": 0, "n_unmeasured": 0, "added": None, "counted": True}
BASELINE = {"regularizer": "none", "strength": "", "baseline": "none", "verdict": None, "refused": None}
BASELINE |= COUNTS | {"mean": 90.0, "rope": 0.2}
OF_ONE = "Of 1 technique compared with no regularizer in test accuracy, "


def row(regularizer: str = "l2", strength: str = "0.01", **changes: Any) -> dict[str, Any]:
    """A contender that is better, and by more than matters."""
    usual = {
        "regularizer": regularizer,
        "strength": strength,
        "baseline": "none",
        **COUNTS,
        "n_pairs": 10,
        "difference": 0.84,
        "difference_family_half": 0.22,
        "p_holm": 0.004,
        "p_equivalent_holm": 0.03,
        "significant": True,
        "confirmed": True,
        "rope": 0.2,
        "verdict": "better",
        "refused": None,
    }
    return usual | changes


def open_question(regularizer: str = "l2", strength: str = "0.01", **changes: Any) -> dict[str, Any]:
    usual = {"significant": False, "confirmed": None, "verdict": "undecided", "p_holm": 0.4}
    return row(regularizer, strength, **usual | changes)


def said(*rows: dict[str, Any]) -> list[str]:
    found = conclusions([BASELINE, *rows], ACCURACY)
    return [found.headline, *found.findings]


def test_a_difference_is_said_with_its_interval_seeds_p_and_size() -> None:
    assert said(row()) == [
        OF_ONE + "1 is better by more than chance, one of them by more than ±0.2 pp.",
        "L2 (λ = 0.01) raises test accuracy by 0.8 ± 0.2 pp, which is better "
        "(10 paired seeds, p = 0.004 after Holm) and more than ±0.2 pp.",
    ]


def test_chance_comes_from_significance_and_size_from_the_region() -> None:
    """Ten paired gains of .05 to .5 points, p .00095 and confirmed, of which size is open."""
    headline, finding = said(
        row(difference=0.255, difference_family_half=0.117, p_holm=0.00095, verdict="undecided")
    )
    assert headline == OF_ONE + "1 is better by more than chance, none of them by more than ±0.2 pp."
    assert finding.endswith("p < 0.001 after Holm); whether by more than ±0.2 pp is open.")


def test_a_small_difference_is_a_difference() -> None:
    """At 99.00 %, +0.13 ± 0.02 points on 15 seeds, p 2.5e-9."""
    headline, finding = said(
        row(difference=0.13, difference_family_half=0.02, p_holm=2.5e-9, n_pairs=15, verdict="equivalent")
    )
    assert headline == (
        OF_ONE + "1 is better by more than chance, none of them by more than ±0.2 pp and one by less."
    )
    assert finding == (
        "L2 (λ = 0.01) raises test accuracy by 0.13 ± 0.02 pp, which is better (15 paired seeds, "
        "p < 0.001 after Holm), but less than ±0.2 pp, which counts as no difference that matters."
    )


def test_a_score_without_a_region_is_not_said_to_differ_by_nothing() -> None:
    settings = {"rope": math.nan, "verdict": None, "difference": -0.3, "difference_family_half": 0.1}
    found = conclusions([BASELINE, row(**settings)], LOSS)
    assert found.headline == (
        "Of 1 technique compared with no regularizer in test loss, 1 is better by more than chance."
    )
    assert found.findings == [
        "L2 (λ = 0.01) lowers test loss by 0.30 ± 0.10 nats, which is better "
        "(10 paired seeds, p = 0.004 after Holm)."
    ]


def test_what_is_worse_comes_after_what_is_better() -> None:
    headline, better, worse = said(row("dropout", "0.5", verdict="worse", difference=-2.0), row())
    assert headline.endswith(
        "1 is better and 1 is worse by more than chance, 2 of them by more than ±0.2 pp."
    )
    assert better.startswith("L2")
    assert worse.startswith("Dropout (p = 0.5) lowers test accuracy by 2.0 ± 0.2 pp, which is worse")


def test_what_the_check_does_not_confirm_is_said_and_not_counted() -> None:
    headline, doubtful = said(row(confirmed=False, verdict="undecided"))
    assert headline == OF_ONE + (
        "none is shown to differ from it by more than chance (of one the t-test says so, which the "
        "sign-flip check does not confirm)."
    )
    assert doubtful.endswith("which the sign-flip check does not confirm: nothing is concluded from it.")


@pytest.mark.parametrize(
    ("undecided", "end"),
    [(1, "of the other one, this is not shown."), (3, "of the other 3, this is not shown.")],
)
def test_of_the_rest_nothing_is_claimed(undecided: int, end: str) -> None:
    rest = [open_question("dropout", f"0.{n}") for n in range(1, undecided + 1)]
    assert said(row(), *rest)[0].endswith(
        f"1 is better by more than chance, one of them by more than ±0.2 pp; {end}"
    )


def test_what_scores_the_same_on_every_seed_is_said_so_without_a_p() -> None:
    same = open_question(verdict="equivalent", difference=0.0, difference_family_half=0.0)
    assert said(same)[1] == "L2 (λ = 0.01) scores exactly as no regularizer on each of 10 paired seeds."


def test_a_region_that_is_much_of_the_error_is_said_so() -> None:
    """At 99 % accuracy ±0.2 points are a fifth of all errors."""
    small = open_question(verdict="equivalent", difference=0.13, difference_family_half=0.02)
    for mean, much in ((99.0, True), (90.0, False)):
        baseline = small | {"regularizer": "none", "verdict": None, "mean": mean}
        sentences = conclusions([baseline, small], ACCURACY).findings
        told = "±0.2 pp is 20% of the errors of no regularizer: whether that matters is for you to say ("
        assert any(each.startswith(told) for each in sentences) == much


def test_equivalence_is_a_finding() -> None:
    headline, equivalent = said(
        open_question(verdict="equivalent", difference=0.05, difference_family_half=0.1)
    )
    assert headline == OF_ONE + (
        "none is shown to differ from it by more than chance; one makes no difference that matters."
    )
    assert equivalent == (
        "L2 (λ = 0.01) makes no difference that matters: +0.05 ± 0.10 pp lies within ±0.2 pp "
        "(10 paired seeds, p = 0.030 after Holm)."
    )


def test_the_undecided_are_one_sentence_that_claims_nothing() -> None:
    _, undecided = said(open_question(), open_question("dropout", "0.5", difference=-0.1))
    assert undecided.startswith("Undecided, as the data show neither a difference nor that there is none: L2")
    assert undecided.endswith("and Dropout (p = 0.5) −0.1 ± 0.2 pp.")


@pytest.mark.parametrize("verdict", ["better", None])
def test_where_a_conclusion_is_refused_there_is_only_the_reason(verdict: str | None) -> None:
    why = {"refused": "3 paired seeds are too few", "confirmed": None, "significant": None}
    refused = row(**why, verdict=verdict, difference=math.nan)
    assert said(refused, row("dropout", "0.5", **why, verdict=None)) == [
        "Nothing is concluded on test accuracy.",
        "Nothing is concluded on L2 (λ = 0.01) and Dropout (p = 0.5): 3 paired seeds are too few.",
    ]


def test_diverged_runs_are_counted_and_the_others_stand_beside() -> None:
    *_, diverged = said(row(n_diverged=2, survivors_mean=91.23, survivors_half=0.31))
    assert diverged == (
        "Runs that diverged, which count as a constant guess: 2 of 10 of L2 (λ = 0.01) (the others alone: "
        "91.2 ± 0.3 %)."
    )


def test_another_baseline_is_named() -> None:
    others = {"baseline": "l2"}
    found = conclusions(
        [BASELINE | others | {"regularizer": "l2"}, row("dropout", "0.5", **others)], ACCURACY
    )
    assert found.headline.startswith("Of 1 technique compared with L2 in test accuracy, 1 is better")


def test_what_was_added_and_what_was_measured_otherwise_stand_below_with_what_is_open() -> None:
    added = BASELINE | {"added": "Added after a look: 3 seeds", "n_unmeasured": 2}
    found = conclusions([added, row(n_unmeasured=1)], ACCURACY, ["The grid ends there"]).findings
    assert found[1] == "Added after a look: 3 seeds."
    assert found[2].startswith("3 runs were not measured, or otherwise than the sweep asks for now")
    assert found[3:] == ["The grid ends there."]
