from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from analysis.statistics.comparison_table import COMPARISON, compare, name
from analysis.statistics.scores import score
from analysis.statistics.strength_selection import select
from analysis.tables.collect import collect
from analysis.tables.region import read_region
from analysis.tables.store_tables import Tables, write_frame
from analysis.text.comparison_text import table
from regularize.errors import UserError
from regularize.store import Store

MakeStore = Callable[..., Store]
SEEDS = range(1000, 1010)


def ready(store: Store) -> Tables:
    collect(store, ("runs", "results"))
    select(store)
    return Tables(store)


def row_of(frame: pd.DataFrame, regularizer: str) -> pd.Series:
    rows = frame[frame["regularizer"] == regularizer]
    assert len(rows) == 1
    return rows.iloc[0]


def with_scores(make_store: MakeStore, scores: dict[str, list[float]], **fields: Any) -> Tables:
    """A sweep without tuning whose test accuracies, in percent, are given by seed."""
    seeds = range(1000, 1000 + len(scores["none"]))
    strengths = {name: [""] if name == "none" else ["0.1"] for name in scores}
    tables = ready(
        make_store(fields.pop("folder", "sweep"), strengths=strengths, tune=(), report=seeds, **fields)
    )
    results = tables.results
    results["test_accuracy"] = [
        scores[regularizer][seed - 1000] / 100
        for regularizer, seed in zip(results["regularizer"], results["seed"], strict=True)
    ]
    return tables


@pytest.fixture
def tables(make_store: MakeStore) -> Tables:
    return ready(make_store(report=SEEDS, diverged=[("mnist", "l2", "0.0005", 1001)]))


def test_numbers_are_scipys_and_statsmodels(tables: Tables) -> None:
    frame = compare(tables)
    results = tables.results[tables.results["phase"] == "report"]
    scores = 100 * results.pivot(index="seed", columns="regularizer", values="test_accuracy")
    scores.loc[1001, "l2"] = 10.0  # it diverged, and counts as a guess among ten classes
    challengers = ["l2", "elastic_net", "dropout"]
    expected = [stats.ttest_rel(scores[c], scores["none"]) for c in challengers]
    assert frame["regularizer"].tolist() == ["none", *challengers]
    assert frame["p"].tolist()[1:] == pytest.approx([found.pvalue for found in expected])
    adjusted = multipletests([found.pvalue for found in expected], method="holm")[1]
    assert frame["p_holm"].tolist()[1:] == pytest.approx(list(adjusted))
    for regularizer, found in zip(challengers, expected, strict=True):
        row, interval = row_of(frame, regularizer), found.confidence_interval(0.95)
        assert row["difference"] - row["difference_half"] == pytest.approx(interval.low)
        assert row["difference"] + row["difference_half"] == pytest.approx(interval.high)
        together = found.confidence_interval(1 - 0.05 / 3)  # all three at once
        assert row["difference"] - row["difference_family_half"] == pytest.approx(together.low)
        assert row["difference"] + row["difference_family_half"] == pytest.approx(together.high)
        assert row["d_z"] == pytest.approx(row["difference"] / row["difference_sd"])
        assert row["mean"] == pytest.approx(scores[regularizer].mean())
        assert row["sd"] == pytest.approx(scores[regularizer].std())


def test_a_diverged_run_counts_as_a_constant_guess_and_the_others_stand_beside_it(tables: Tables) -> None:
    row = row_of(compare(tables), "l2")
    assert (row["n"], row["n_diverged"], row["n_pairs"], row["counted"]) == (10, 1, 10, True)
    results = tables.results[tables.results["phase"] == "report"].set_index("seed")
    sound = 100 * results.loc[results["regularizer"] == "l2", "test_accuracy"].drop(1001)
    assert row["survivors_mean"] == pytest.approx(sound.mean())
    assert row["mean"] == pytest.approx((9 * sound.mean() + 10) / 10)


def test_a_diverged_baseline_counts_in_every_pair(make_store: MakeStore) -> None:
    frame = compare(ready(make_store(report=SEEDS, diverged=[("mnist", "none", "", 1003)])))
    assert frame["n"].tolist() == [10, 10, 10, 10]
    assert frame["n_pairs"].tolist() == [0, 10, 10, 10]


def test_a_score_that_a_guess_does_not_have_is_not_compared_where_runs_diverged(tables: Tables) -> None:
    tables.results["sparsity"] = 0.1 + tables.results["seed"] / 1e5
    row = row_of(compare(tables, "sparsity"), "l2")
    assert row["refused"] == "1 of 10 runs diverged, and have no share of weights that are 0"
    assert (row["n"], row["counted"]) == (9, False)


@pytest.mark.parametrize(("diverged", "concluded"), [(2, True), (3, False)])
def test_nothing_is_concluded_where_more_than_a_fifth_diverged(
    make_store: MakeStore, diverged: int, concluded: bool
) -> None:
    bad = [("mnist", "l2", "0.0005", seed) for seed in SEEDS[:diverged]]
    row = row_of(compare(ready(make_store(report=SEEDS, diverged=bad))), "l2")
    assert row["unstable"] == (not concluded)
    if concluded:
        assert pd.isna(row["refused"])
    else:
        assert row["refused"] == "3 of 10 runs diverged, more than the 20% up to which something is concluded"
    bad = [("mnist", "none", "", seed) for seed in SEEDS[:diverged]]
    frame = compare(ready(make_store("baseline", report=SEEDS, diverged=bad)))
    assert frame["refused"].notna().tolist() == [False, *[not concluded] * 3]


def test_survivors_that_look_better_are_not(make_store: MakeStore) -> None:
    """8 of 18 runs diverged and the rest gain a point, or 9 of 10: no verdict, not bold, no rank."""
    noise = [0.02, -0.03, 0.01, 0.04, -0.02, 0.0, -0.01, 0.03, -0.04] * 2
    scores = {"none": [90.0] * 18, "l2": [91 + n for n in noise], "l1": [99 + n for n in noise]}
    tables = with_scores(make_store, scores)
    results = tables.results
    late = (results["regularizer"] == "l2") & (results["seed"] >= 1010)
    all_but_one = (results["regularizer"] == "l1") & (results["seed"] > 1000)
    results.loc[late | all_but_one, "state"] = "diverged"
    frame = compare(tables).set_index("regularizer")
    assert frame["verdict"].isna().all()
    assert frame.loc["l2", "refused"].startswith("8 of 18 runs diverged")
    text = table(score("test_accuracy"), frame.reset_index())
    assert not any(bold for row in text.rows(frame.reset_index()) for _, bold in row)


def test_every_row_says_how_it_came_about(tables: Tables) -> None:
    frame = compare(tables)
    assert frame["rule"].str.contains("validation accuracy over the tune seeds").all()
    assert frame["correction"].str.startswith("Holm over 3 comparisons, each kind of test by itself").all()
    assert frame["test"].str.contains("t-test of differences paired by seed").all()
    assert frame["strengths"].tolist() == [1, 3, 2, 3]
    assert frame["tune_runs"].tolist() == [3, 9, 6, 9]


def test_the_baseline_is_not_compared_with_itself(tables: Tables) -> None:
    row = row_of(compare(tables), "none")
    assert row["n"] == 10
    empty = ["difference", "p", "p_holm", "significant", "verdict", "refused", "d_z", "p_improvement"]
    assert row[empty].isna().all()


def test_too_few_seeds_are_refused_with_the_reason(make_store: MakeStore) -> None:
    frame = compare(ready(make_store(report=range(1000, 1006))))
    row = row_of(frame, "dropout")
    assert row["refused"] == (
        "6 pairs of seeds, 7 are needed: the sign-flip check cannot fall below p = 0.031, "
        "and Holm over 3 asks for 0.017"
    )
    assert row[["p", "p_holm", "p_sign_flip", "significant", "confirmed", "verdict"]].isna().all()
    assert row[["difference", "difference_half", "d_z", "p_improvement"]].notna().all(), "still described"


def test_one_refusal_leaves_the_others_in_the_same_correction(make_store: MakeStore) -> None:
    diverged = [("mnist", "l2", "0.0005", seed) for seed in SEEDS[:5]]
    frame = compare(ready(make_store(report=SEEDS, diverged=diverged)))
    rest = frame[frame["regularizer"].isin(["elastic_net", "dropout"])]
    assert row_of(frame, "l2")["refused"].startswith("5 of 10 runs diverged")
    adjusted = multipletests([1.0, *rest["p"]], method="holm")[1][1:]
    assert rest["p_holm"].tolist() == pytest.approx(list(adjusted))
    assert rest["refused"].isna().all()


def test_no_baseline_is_refused(make_store: MakeStore) -> None:
    frame = compare(ready(make_store(report=SEEDS, strengths={"l2": ["0.1"], "dropout": ["0.5"]})))
    assert (frame["refused"] == "there is no finished run of a baseline to compare with").all()
    assert frame["mean"].notna().all()


def test_conclusions(make_store: MakeStore) -> None:
    noise = [0.02, -0.03, 0.01, 0.04, -0.02, 0.0, -0.01, 0.03, -0.04, 0.0]
    base = [90 + 5 * value for value in noise]
    gains = {"l2": 0.0, "dropout": 1.0, "l1": -1.0, "soft_svb": 0.19}
    scores = {"none": base} | {
        name: [b + gain + n for b, n in zip(base, noise, strict=True)] for name, gain in gains.items()
    }
    frame = compare(with_scores(make_store, scores)).set_index("regularizer")
    assert frame["verdict"].dropna().to_dict() == {
        "l2": "equivalent", "dropout": "better", "l1": "worse", "soft_svb": "undecided"
    }  # fmt: skip
    assert frame["significant"].to_dict() == {
        "none": None, "l2": False, "dropout": True, "l1": True, "soft_svb": True
    }  # fmt: skip
    assert frame["confirmed"].dropna().to_dict() == {"soft_svb": True, "dropout": True, "l1": True}
    assert frame["p_improvement"].dropna().to_dict() == {
        "l1": 0.0,
        "l2": 0.5,
        "soft_svb": 1.0,
        "dropout": 1.0,
    }
    assert frame.loc["dropout", "difference"] == pytest.approx(1.0)


GAINS = [0.2, 0.5, 0.05, 0.4, 0.1, 0.35, 0.15, 0.45, 0.05, 0.3]


def test_a_difference_and_its_size_are_two_questions(make_store: MakeStore) -> None:
    """Gains that are surely there, of which it is open whether they matter."""
    base = [90 + n / 7 for n in range(10)]
    scores = {"none": base, "l2": [b + gain for b, gain in zip(base, GAINS, strict=True)]}
    row = row_of(compare(with_scores(make_store, scores)), "l2")
    assert row["p_holm"] == pytest.approx(0.00095, abs=1e-5)
    assert (row["significant"], row["confirmed"], row["verdict"]) == (True, True, "undecided")


def test_the_region_can_be_a_share_of_the_baselines_error(make_store: MakeStore) -> None:
    """At 99 % a gain of 0.13 points is 13 % of all errors; ±0.2 points would be a fifth of them."""
    noise = [0.03, -0.02, 0.05, -0.04, 0.01, 0.0, -0.03, 0.04, -0.01, 0.02, 0.0, -0.05, 0.03, -0.02, -0.01]
    base = [99 + 2 * n for n in noise]
    scores = {"none": base, "l2": [b + 0.13 + n for b, n in zip(base, noise[::-1], strict=True)]}
    tables = with_scores(make_store, scores)
    assert row_of(compare(tables), "l2")["verdict"] == "equivalent"
    relative = Tables(tables.store, read_region("5%"))
    relative.__dict__["results"] = tables.results
    row = row_of(compare(relative), "l2")
    assert row["rope"] == pytest.approx(0.05, abs=0.001)
    assert (row["verdict"], row["p_holm"] < 1e-6) == ("better", True)


def test_what_the_check_does_not_confirm_is_no_verdict(make_store: MakeStore) -> None:
    """Confirmed is empty where there is nothing to confirm."""
    base = [90.0 + n / 7 for n in range(8)]
    gains = [1.0, 1.1, 0.9, 1.05, 0.95, 1.0, 1.1, -0.2]
    scores = {"none": base, "l2": [b + g for b, g in zip(base, gains, strict=True)]} | {
        name: [b + 0.1 * (-1) ** n for n, b in enumerate(base)] for name in ("l1", "dropout", "soft_svb")
    }
    frame = compare(with_scores(make_store, scores)).set_index("regularizer")
    assert frame.loc["l2", "significant"]
    assert frame.loc["l2", "confirmed"] is False
    assert frame.loc["l2", "verdict"] == "undecided"
    assert frame.loc[["none", "l1", "dropout", "soft_svb"], "confirmed"].isna().all()


def test_intervals_that_exclude_0_are_significant(make_store: MakeStore) -> None:
    """The intervals shown hold for all comparisons at once, so that none contradicts the tests."""
    generator = np.random.default_rng(5)
    for trial in range(20):
        base = list(generator.normal(90, 1, 10))
        names = ["none", *(f"t{n}" for n in range(12))]
        shifts = generator.normal(0, 0.4, 13)
        scores = {
            each: [
                b + (each != "none") * (shift + n)
                for b, n in zip(base, generator.normal(0, 0.4, 10), strict=True)
            ]
            for each, shift in zip(names, shifts, strict=True)
        }
        frame = compare(with_scores(make_store, scores, folder=f"s{trial}")).iloc[1:]
        apart = frame["difference"].abs() > frame["difference_family_half"]
        assert (frame.loc[apart, "significant"] == True).all()  # noqa: E712


def test_the_baseline_is_found_by_its_technique_whatever_its_name(make_store: MakeStore) -> None:
    tables = ready(make_store(report=SEEDS))
    expected = compare(tables)
    for frame in (tables.results, tables.selection, tables.runs):
        assert frame is not None
        frame["regularizer"] = frame["regularizer"].replace({"none": "plain"})
    assert compare(tables)["refused"].notna().all()
    tables.runs["baseline"] = tables.runs["regularizer"] == "plain"
    renamed = Tables(tables.store)
    for each in ("results", "selection", "runs"):
        renamed.__dict__[each] = tables.__dict__[each]
    found = compare(renamed)
    assert found["regularizer"].iloc[0] == "plain"
    assert (found["baseline"] == "plain").all()
    numbers = ["difference", "p_holm", "verdict"]
    pd.testing.assert_frame_equal(found[numbers], expected[numbers])


def test_a_loss_is_better_when_it_is_lower(tables: Tables) -> None:
    results = tables.results
    noise = results["seed"].map(lambda seed: (seed % 7) / 1000)
    results["test_loss"] = (results["regularizer"] != "none") * (-0.1 - noise) + 1
    frame = compare(tables, "test_loss")
    row = row_of(frame, "dropout")
    assert (row["difference_unit"], row["p_improvement"], row["significant"]) == ("nats", 1.0, True)
    assert row["difference"] < 0
    assert frame["verdict"].isna().all(), "no convention of what difference matters"


def test_the_same_score_on_every_seed(make_store: MakeStore) -> None:
    base = [90.0 + seed for seed in range(8)]
    scores = {"none": base, "l2": base, "dropout": [value + 0.5 for value in base]}
    frame = compare(with_scores(make_store, scores))
    same, shifted = row_of(frame, "l2"), row_of(frame, "dropout")
    assert (same["p"], same["verdict"], same["p_improvement"]) == (1.0, "equivalent", 0.5)
    assert shifted["refused"].startswith("the difference is the same on every seed")
    assert shifted["difference"] == pytest.approx(0.5)


def test_one_seed(make_store: MakeStore) -> None:
    row = row_of(compare(ready(make_store(report=[1000]))), "l2")
    assert row["refused"].startswith("1 pair of seeds, 7 are needed")
    assert row[["sd", "half", "difference_half", "d_z"]].isna().all()


def test_strengths_without_tuning_are_all_compared(make_store: MakeStore) -> None:
    frame = compare(ready(make_store(tune=(), report=SEEDS)))
    assert len(frame) == 9
    assert set(frame["comparisons"]) == {8}
    assert frame["rule"].unique().tolist() == ["all of the sweep, none was selected"]


def test_problems_are_corrected_apart(make_store: MakeStore) -> None:
    both = compare(ready(make_store("both", datasets=["mnist", "cifar10"], report=SEEDS)))
    alone = compare(ready(make_store("alone", datasets=["mnist"], report=SEEDS)))
    mnist = both[both["dataset"] == "mnist"].reset_index(drop=True)
    pd.testing.assert_frame_equal(mnist, alone)


@pytest.mark.parametrize("seed", range(4))
def test_order_of_rows_never_matters(tables: Tables, seed: int) -> None:
    expected = compare(tables)
    shuffled = Tables(tables.store)
    shuffled.__dict__["results"] = tables.results.sample(frac=1, random_state=seed)
    pd.testing.assert_frame_equal(compare(shuffled), expected, check_exact=True)


def test_names_of_contenders_do_not_matter(make_store: MakeStore) -> None:
    tables = ready(make_store(report=SEEDS))
    expected = compare(tables).set_index("regularizer")
    swapped = {"dropout": "l2", "l2": "dropout", "none": "none", "elastic_net": "elastic_net"}
    for frame in (tables.results, tables.selection, tables.runs):
        assert frame is not None
        frame["regularizer"] = frame["regularizer"].map(swapped)
    found = compare(tables)
    found = found.assign(regularizer=found["regularizer"].map(swapped)).set_index("regularizer")
    pd.testing.assert_frame_equal(found.loc[expected.index], expected)


def test_read_back_it_is_the_same(tables: Tables) -> None:
    frame = compare(tables)
    write_frame(tables.store.table(name()), frame, COMPARISON)
    assert pq.read_schema(tables.store.table(name())).remove_metadata().equals(COMPARISON)
    pd.testing.assert_frame_equal(tables.read(name()), frame)


def test_unknown_metric(tables: Tables) -> None:
    with pytest.raises(UserError, match=r"unknown metric 'test_acc'; one of: .*did you mean 'test_accuracy'"):
        compare(tables, "test_acc")
