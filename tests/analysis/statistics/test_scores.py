"""Scores beyond accuracy: ratios, attacks, and what cannot be compared."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from analysis.notation.intervals import Interval
from analysis.notation.number_text import ratio
from analysis.statistics.comparison_table import compare, name
from analysis.statistics.contenders import comparisons
from analysis.statistics.scores import SCORES, score, suffix
from analysis.tables.collect import collect
from analysis.tables.region import Region, read_region
from analysis.tables.store_tables import Tables
from analysis.text.conclusions import conclude
from regularize.errors import UserError
from regularize.evaluation.accuracy import loss_and_accuracy
from regularize.evaluation.calibration import calibration
from regularize.store import PREDICTIONS, RESULTS, Store, read_table, write_table

MakeStore = Callable[..., Store]
SEEDS = range(1000, 1010)
STRENGTHS = {"none": [""], "l2": ["0.1"], "dropout": ["0.5"]}


@pytest.fixture
def tables(make_store: MakeStore) -> Tables:
    store = make_store(strengths=STRENGTHS, tune=(), report=SEEDS)
    collect(store)
    return Tables(store)


def with_norms(tables: Tables, **factors: float) -> pd.DataFrame:
    """Norms that vary by seed; those of a regularizer are the baseline's times its factor, with noise."""
    results = tables.results
    seeds = results["seed"] - SEEDS[0]
    results["jacobian_norm"] = (
        (10 + seeds) * results["regularizer"].map({"none": 1.0} | factors) * (1 + 0.01 * ((seeds * 7) % 5))
    )
    return results


def test_intervals_of_the_jacobian_cover_its_examples(make_store: MakeStore) -> None:
    """Seeds that hardly differ, images that do: a ratio of which seeds alone would be far too sure."""
    store = make_store(strengths={"none": [""], "l2": ["0.1"]}, tune=(), report=SEEDS)
    g = np.random.default_rng(5)
    shared = {name: g.lognormal(0, 0.8, 40) for name in ("none", "l2")}
    names = {row["run_id"]: row["regularizer"] for row in read_table(store.runs).to_pylist()}
    norms = {run: shared[name] * g.lognormal(0, 0.02, 40) for run, name in names.items()}
    for folder in store.packs.iterdir():
        paths = store.pack(folder.name)
        results = read_table(paths.results).to_pylist()
        for row in results:
            row |= {"jacobian_norm": norms[row["run_id"]].mean(), "jacobian_examples": 40}
        write_table(paths.results, results, RESULTS)
        predictions = [
            {"run_id": row["run_id"], "example": e, "label": 0, "logits": [0.0, 1.0]}
            | {"jacobian_norm": norms[row["run_id"]][e // 2] if e % 2 else None}  # a sample of the 80
            for row in results
            for e in range(80)
        ]
        write_table(paths.predictions, predictions, PREDICTIONS)
    collect(store)
    (row,) = compare(Tables(store), "jacobian_norm").iloc[1:].to_dict("records")
    assert row["over"] == "seeds and 40 examples"
    logs = {name: np.log([norms[run].mean() for run in names if names[run] == name]) for name in shared}
    assert row["difference"] == pytest.approx(logs["l2"].mean() - logs["none"].mean())

    # Examples drawn again, with all seeds: what the error has to be.
    both = [np.array([norms[run] for run in names if names[run] == name]) for name in ("l2", "none")]
    again = [
        np.log(np.array([each[:, rows].mean(1) for each in both])) for rows in g.integers(0, 40, (2000, 40))
    ]
    drawn = np.std([mine.mean() - theirs.mean() for mine, theirs in again])
    assert row["difference_half"] == pytest.approx(2.02 * drawn, rel=0.2)
    alone = stats.ttest_rel(logs["l2"], logs["none"]).confidence_interval()
    assert row["difference_half"] > 10 * (alone.high - alone.low) / 2

    # Where the norms of one run are not kept, intervals of all are over seeds, and say so.
    paths = store.pack(next(store.packs.iterdir()).name)
    (first, *rest) = read_table(paths.predictions).to_pylist()
    kept = [each for each in rest if each["run_id"] != first["run_id"]]
    write_table(paths.predictions, kept, PREDICTIONS)
    collect(store)
    (row,) = compare(Tables(store), "jacobian_norm").iloc[1:].to_dict("records")
    assert row["over"] == "seeds"
    assert row["difference_half"] == pytest.approx((alone.high - alone.low) / 2)


def test_a_ratio_is_tested_on_logarithms(tables: Tables) -> None:
    results = with_norms(tables, l2=0.5, dropout=0.1)
    noise = np.random.default_rng(0).normal(1, 0.05, len(results))
    results["jacobian_norm"] *= noise
    frame = compare(tables, "jacobian_norm").set_index("regularizer")
    logs = np.log(results.pivot(index="seed", columns="regularizer", values="jacobian_norm"))
    for regularizer in ("l2", "dropout"):
        found, row = stats.ttest_rel(logs[regularizer], logs["none"]), frame.loc[regularizer]
        interval = found.confidence_interval(0.95)
        assert row["p"] == pytest.approx(found.pvalue)
        assert row["difference"] - row["difference_half"] == pytest.approx(interval.low)
        assert row["difference"] + row["difference_half"] == pytest.approx(interval.high)
        assert (row["difference_unit"], row["p_improvement"]) == ("ln ratio", 1.0)
        assert pd.isna(row["verdict"])
        assert "log ratios paired by seed" in row["test"]
    assert math.exp(frame.loc["dropout", "difference"]) == pytest.approx(0.1, rel=0.1)
    assert frame["mean"].notna().all()


def test_a_norm_of_0_has_no_ratio_and_says_so(tables: Tables) -> None:
    results = with_norms(tables, l2=0.5, dropout=0.1)
    results.loc[(results["regularizer"] == "l2") & (results["seed"] < 1002), "jacobian_norm"] = 0.0
    frame = compare(tables, "jacobian_norm").set_index("regularizer")
    assert frame.loc["l2", "refused"] == "it is 0 on 2 of 10 seeds, where there is no ratio"
    assert pd.isna(frame.loc["l2", "difference"])
    assert frame.loc["dropout", "difference"] == pytest.approx(math.log(0.1))


def test_ratios_in_tables_are_ratios(make_store: MakeStore) -> None:
    store = make_store(datasets=("mnist", "digits"), strengths=STRENGTHS, tune=(), report=SEEDS)
    collect(store)
    tables = Tables(store)
    results = with_norms(tables, l2=0.5, dropout=2.0)
    results["jacobian_norm"] *= np.random.default_rng(0).normal(1, 0.02, len(results))
    compared, together, _ = conclude(tables, "jacobian_norm")
    text = compared.text
    row = text.rows(compared.groups[0].frame)[1]
    assert [column.header for column in text.columns][4] == "Ratio"
    assert row[0][0] == "L2"
    assert re.fullmatch(r"0\.(49|50)\d* \[0\.4\d+, 0\.5\d+\]†", row[4][0])
    assert "Verdict" not in [column.header for column in text.columns]
    place = [column.header for column in together.text.columns].index("IQM ratio")
    assert [cells[place][0] for cells in together.text.rows(together.frame)] == ["–", "0.50", "2.00"]


@pytest.mark.parametrize("text", ["fgsm:0.1", "fgsm:1/10", "fgsm:1e-1"])
def test_accuracy_under_attack(tables: Tables, text: str) -> None:
    found = score(text)
    (comparison,) = comparisons(tables)
    assert comparison.values(found).tolist() == pytest.approx([80.0] * 30)
    assert found.what == f"accuracy under FGSM (ε = {text.removeprefix('fgsm:')})"
    frame = compare(tables, text)
    assert frame["difference"].dropna().tolist() == [0.0, 0.0]
    assert frame["verdict"].isna().all()


def test_an_attack_that_was_not_measured_is_named_with_those_that_were(tables: Tables) -> None:
    with pytest.raises(UserError, match=r"no run was measured with fgsm of size 0\.3; sizes of fgsm: 0\.1"):
        compare(tables, "fgsm:0.3")
    with pytest.raises(UserError, match=r"with pgd of size 0\.1; sizes of pgd: none"):
        compare(tables, "pgd:0.1")
    shutil.rmtree(tables.store.table("robustness"))
    with pytest.raises(UserError, match="robustness: true"):
        compare(Tables(tables.store), "fgsm:0.1")


@pytest.mark.parametrize("text", ["pgd", "pgd:", "pgd:x", "pgd:1/0", "cw:0.1", "accuracy"])
def test_what_is_no_score(text: str) -> None:
    with pytest.raises(UserError, match=f"unknown metric '{text}'; .*or an attack such as pgd:8/255"):
        score(text)


def test_names_of_files_have_no_slash() -> None:
    assert [suffix(each) for each in ("test_accuracy", "test_loss", "pgd:16/255")] == [
        "",
        "-test_loss",
        "-pgd-16-255",
    ]
    assert name("pgd:16/255") == "comparison-pgd-16-255"


def test_a_verdict_needs_a_convention_of_what_matters() -> None:
    assert {name for name, each in SCORES.items() if each.region} == {"test_accuracy", "validation_accuracy"}


@pytest.mark.parametrize(
    ("text", "baseline", "rope"), [("0.1", 90.0, 0.1), ("5%", 90.0, 0.5), ("5 %", 99.0, 0.05)]
)
def test_a_region_is_in_points_or_a_share_of_the_baselines_error(
    text: str, baseline: float, rope: float
) -> None:
    assert score("test_accuracy", read_region(text)).rope(baseline) == pytest.approx(rope)
    assert score("test_accuracy").rope(baseline) == 0.2
    assert score("test_loss", Region(0.05, True)).rope(0.4) == pytest.approx(0.02)


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "%", "a%", "5%%"])
def test_what_is_no_region(text: str) -> None:
    with pytest.raises(UserError, match=r"region is .*, but must be a number above 0, such as 0\.2"):
        read_region(text)


def test_a_guess_scores_what_a_network_that_says_nothing_does() -> None:
    uniform = torch.zeros(1, 100, 10)
    labels = torch.arange(10).repeat(10).unsqueeze(0)
    found = calibration(uniform, labels)
    assert score("test_accuracy").of_a_guess(10) == pytest.approx(10)
    assert score("test_loss").of_a_guess(10) == pytest.approx(loss_and_accuracy(uniform, labels)[0].item())
    assert score("test_brier").of_a_guess(10) == pytest.approx(found["brier"].item())
    assert math.isnan(score("test_ece").of_a_guess(10)), "a guess is calibrated, a diverged run is not"
    assert math.isnan(score("loss_gap").of_a_guess(10))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Interval(5, math.log(0.02), 0.1), "0.020 [0.018, 0.022]"),
        (Interval(5, math.log(30), 0.2), "30.0 [24.6, 36.6]"),
        (Interval(5, 0.0, 0.0), "1.00 [1.00, 1.00]"),
        (Interval(0, math.nan, math.nan), "–"),
    ],
)
def test_ratios_have_the_digits_of_their_interval(found: Interval, words: str) -> None:
    assert ratio(found) == words
