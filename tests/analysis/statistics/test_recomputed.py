"""`compare` and its words, worked out a second time from the scores alone, on stores made to mislead.

Nothing of the project's statistics is used for what is expected: scipy's tests and loops.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

from analysis.report.sentences import conclusions, overall
from analysis.statistics.comparison_table import compare
from analysis.statistics.scores import score
from analysis.tables.collect import collect
from analysis.tables.store_tables import Tables, problem_of, records
from analysis.text.comparison_text import groups, table
from regularize.store import RESULTS, RUNS, Store, write_table

Runs = Mapping[str, Mapping[int, float | None]]
"""By entry and seed: accuracy in percent, None where the run diverged; of other seeds there is no run."""

LEVEL, REGION, GUESS, MOST_DIVERGED = 0.05, 0.2, 10.0, 0.2
G = np.random.default_rng(16)
SEEDS = range(1000, 1012)


def noisy(centre: float, spread: float, seeds: range = SEEDS, grain: float = 0.01) -> dict[int, float | None]:
    """Scores of a test set of 100 / grain images: with ties, where it is coarse; never above 100."""
    return {seed: min(100.0, round(G.normal(centre, spread) / grain) * grain) for seed in seeds}


def shifted(scores: Mapping[int, float | None], by: float, spread: float) -> dict[int, float | None]:
    return {seed: each and each + by + G.normal(0, spread) for seed, each in scores.items()}


def without(scores: Mapping[int, float | None], diverged: int) -> dict[int, float | None]:
    """The worst so many diverge."""
    worst = sorted(scores, key=lambda seed: scores[seed] or 0)[:diverged]
    return {seed: None if seed in worst else each for seed, each in scores.items()}


def hostile() -> dict[str, Runs]:
    plain, near, coarse = noisy(90, 0.5), noisy(99.4, 0.05), noisy(90, 1, grain=0.5)
    return {
        "effects": {
            "none": plain,
            "l1": shifted(plain, 0.6, 0.1),
            "l2": shifted(plain, 0.1, 0.05),
            "dropout": shifted(plain, 0.0, 0.05),
            "max_norm": shifted(plain, -0.9, 0.3),
            "jacobian": noisy(90, 2),
        },
        "ties": {
            "none": coarse,
            "l1": dict(coarse),
            "l2": noisy(90, 1, grain=0.5),
            "dropout": {**coarse, 1000: 91.0},
        },
        "all equal": {name: dict.fromkeys(SEEDS, 90.0) for name in ("none", "l1", "l2")},
        "the same difference": {"none": plain, "l1": shifted(plain, 1, 0)},
        "near 100": {"none": near, "l1": shifted(near, 0.13, 0.02), "l2": dict.fromkeys(SEEDS, 100.0)},
        "diverged": {
            "none": plain,
            "l1": without(noisy(90, 0.5), 1),
            "l2": without(shifted(plain, 1, 0.1), 2),
            "dropout": without(shifted(plain, 1, 0.1), 3),
            "max_norm": without(shifted(plain, 1, 0.1), 11),
            "jacobian": dict.fromkeys(SEEDS, None),
        },
        "the baseline diverged": {"none": without(plain, 2), "l1": noisy(90, 0.1), "l2": without(plain, 2)},
        "unequal seeds": {
            "none": noisy(90, 0.5, range(1000, 1009)),
            "l1": noisy(91, 0.5, range(1003, 1012)),
            "l2": noisy(92, 0.1, range(1000, 1009)),
            "dropout": noisy(92, 0.1, range(1009, 1012)),
        },
        "one outlier": {"none": plain, "l1": shifted(plain, 0.5, 0.05) | {1011: 70.0}},
    }  # fmt: skip


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, dict[str, Runs]]:
    """One store, a data set for each case."""
    cases, runs, results = hostile(), [], []
    for dataset, entries in cases.items():
        for entry, scores in entries.items():
            for seed, value in scores.items():
                run = {"dataset": dataset, "model": "m", "regularizer": entry, "strength": "", "seed": seed}
                run |= {"run_id": f"{len(runs):016x}", "phase": "report", "planned": True}
                accuracy = 0.1 if value is None else value / 100
                state = "diverged" if value is None else "done"
                runs.append(run)
                results.append(
                    {"run_id": run["run_id"], "state": state, "test_accuracy": accuracy, "classes": 10}
                )
    store = Store(tmp_path_factory.mktemp("hostile"))
    write_table(store.runs, runs, RUNS)
    write_table(store.pack("all").results, results, RESULTS)
    collect(store, ("runs", "results"))
    return compare(Tables(store)), cases


def holm(ps: list[float]) -> list[float]:
    """Written as Holm (1979) has it: the smallest times m, the next times m − 1, …, never falling."""
    adjusted = [math.nan] * len(ps)
    largest = 0.0
    left = len(ps)
    for place in sorted((i for i, p in enumerate(ps) if not math.isnan(p)), key=lambda i: ps[i]):
        largest = max(largest, min(1.0, left * ps[place]))
        adjusted[place] = largest
        left -= 1
    return adjusted


def flips(d: NDArray[np.float64]) -> float:
    patterns = itertools.product((1, -1), repeat=len(d))
    sums = np.abs([np.dot(signs, d) for signs in patterns])
    return float(np.mean(sums >= abs(d.sum()) - 1e-9 * np.abs(d).sum()))


def expected(runs: Runs) -> dict[str, dict[str, Any]]:
    """What can be said of each entry but the baseline."""
    counted = {name: {s: GUESS if v is None else v for s, v in each.items()} for name, each in runs.items()}
    diverged = {name: [v is None for v in each.values()] for name, each in runs.items()}
    rivals = [name for name in runs if name != "none"]
    found: dict[str, dict[str, Any]] = {}
    for name in rivals:
        seeds = sorted(counted[name].keys() & counted["none"].keys())
        d = np.array([counted[name][s] - counted["none"][s] for s in seeds])
        enough = 2.0 ** (1 - len(d)) * len(rivals) <= LEVEL
        often = any(np.mean(diverged[each]) > MOST_DIVERGED for each in (name, "none"))
        flat = len(d) > 0 and np.ptp(d) < 1e-9 * max(abs(d).max(), 1e-300)
        row: dict[str, Any] = {"refused": not enough or often or (flat and abs(d[0]) > 1e-12), "d": d}
        tested = not row["refused"]
        if tested and not flat:
            both = [
                stats.ttest_1samp(d, REGION, alternative="greater").pvalue,
                stats.ttest_1samp(d, -REGION, alternative="less").pvalue,
            ]
            row |= {"p": stats.ttest_1samp(d, 0).pvalue, "p_beyond": min(1.0, 2 * min(both)),
                    "p_equivalent": max(stats.ttest_1samp(d, -REGION, alternative="greater").pvalue,
                                        stats.ttest_1samp(d, REGION, alternative="less").pvalue)}  # fmt: skip
        elif tested:
            row |= {"p": 1.0, "p_beyond": 1.0, "p_equivalent": 0.0}
        else:
            row |= dict.fromkeys(("p", "p_beyond", "p_equivalent"), math.nan)
        row["p_sign_flip"] = flips(d) if tested else math.nan
        found[name] = row
    for test in ("p", "p_sign_flip", "p_beyond", "p_equivalent"):
        for name, adjusted in zip(rivals, holm([found[each][test] for each in rivals]), strict=True):
            found[name][f"{test}_holm"] = adjusted
    for row in found.values():
        significant = row["p_holm"] <= LEVEL
        row["confirmed"] = significant and row["p_sign_flip_holm"] <= LEVEL
        row["verdict"] = None
        if not row["refused"]:
            beyond = row["confirmed"] and row["p_beyond_holm"] <= LEVEL
            side = "better" if row["d"].mean() > 0 else "worse"
            row["verdict"] = (
                side if beyond else "equivalent" if row["p_equivalent_holm"] <= LEVEL else "undecided"
            )
        row["comparisons"] = len(rivals)
    return found


CASES = list(hostile())


@pytest.mark.parametrize("case", CASES)
def test_every_number_and_verdict(compared: tuple[pd.DataFrame, dict[str, Runs]], case: str) -> None:
    frame, cases = compared
    mine = frame[frame["dataset"] == case].set_index("regularizer")
    wanted = expected(cases[case])
    assert set(mine.index) == set(cases[case])
    for name, row in wanted.items():
        got, d = mine.loc[name], row["d"]
        assert pd.notna(got["refused"]) == row["refused"], (name, got["refused"])
        assert got["n_pairs"] == len(d)
        for test in ("p", "p_sign_flip", "p_beyond", "p_equivalent"):
            for column in (test, f"{test}_holm"):
                assert got[column] == pytest.approx(row[column], rel=1e-6, abs=1e-12, nan_ok=True), (
                    name,
                    column,
                )
        assert (got["confirmed"] is True) == row["confirmed"]
        assert (None if pd.isna(got["verdict"]) else got["verdict"]) == row["verdict"]
        if len(d) > 1:
            half = (
                stats.t.ppf(1 - LEVEL / (2 * row["comparisons"]), len(d) - 1)
                * d.std(ddof=1)
                / math.sqrt(len(d))
            )
            assert got["difference"] == pytest.approx(d.mean(), abs=1e-9)
            assert got["difference_family_half"] == pytest.approx(half, abs=1e-9)
        if len(d):
            won = (d > 1e-9).sum() + 0.5 * (abs(d) <= 1e-9).sum()
            assert got["p_improvement"] == pytest.approx(won / len(d))


@pytest.mark.parametrize("case", CASES)
def test_no_word_or_mark_says_more_than_the_numbers(
    compared: tuple[pd.DataFrame, dict[str, Runs]], case: str
) -> None:
    frame, cases = compared
    mine, accuracy = frame[frame["dataset"] == case], score("test_accuracy")
    wanted = expected(cases[case])
    shown = {name: row["d"].mean() > 0 for name, row in wanted.items() if row["confirmed"]}
    said = conclusions(records(mine), accuracy)
    better, worse = sum(shown.values()), len(shown) - sum(shown.values())
    for number, word in ((better, "better"), (worse, "worse")):
        phrase = f"{number} {'is' if number == 1 else 'are'} {word}"
        assert (phrase in said.headline) == (number > 0), said.headline
    if not shown:
        assert "none is shown to differ" in said.headline or said.headline.startswith("Nothing is concluded")
    verdicts = {
        word: [n for n, row in wanted.items() if row["verdict"] == word] for word in ("better", "worse")
    }
    sentence = overall(records(mine))
    for word, names in verdicts.items():
        assert (f"{word}: " in sentence) == bool(names), sentence
    (group,) = groups(mine, {problem_of(mine): []})
    text = table(accuracy, mine)
    header = [column.header for column in text.columns]
    lost = {name: np.mean([each is None for each in runs.values()]) for name, runs in cases[case].items()}
    for name, cells in zip(mine["regularizer"], text.rows(group.frame), strict=True):
        found = dict(zip(header, cells, strict=True))
        assert ("†" in found["Δ (pp)"][0]) == (name in shown)
        bold = found["Acc. (%)"][1]
        assert not (bold and lost[name] > MOST_DIVERGED)
        assert not (bold and all(row["refused"] for row in wanted.values())), "nothing is concluded"
