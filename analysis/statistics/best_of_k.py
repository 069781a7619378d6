"""What tuning buys: the accuracy to expect of the best of k strengths, drawn from those that were tried.

For a split of the tune seeds into some that choose and others that score, the expectation over all subsets of
k of m strengths needs no drawing: the strength that validates r-th best (from 0) is the best of a subset with
probability C(m−1−r, k−1)/C(m, k) (Dodge et al. 2019, there with replacement). Scores are of seeds that took
no part in the choice: every seed in turn scores what all others chose, or, where strengths are chosen in
repetitions, every repetition what the one before it chose.

References:
    Dodge, Gururangan, Card, Schwartz, Smith, Show your work, 2019 (arXiv 1909.03004).
    Bouthillier et al., Accounting for variance in machine learning benchmarks, 2021 (arXiv 2103.03098).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics import constant_guess as guess
from analysis.statistics.contenders import Comparison, of_problem
from analysis.statistics.estimates import Estimate, over_seeds
from analysis.statistics.strength_selection import Cell, Order, counted, weakest_first
from analysis.statistics.training_cost import circumstances, cost_column
from analysis.tables.store_tables import Tables, records

Values = NDArray[np.float64]
Split = tuple[Sequence[int], Sequence[int]]
"""The places of the seeds that choose, and of those that score."""


def chances(settings: int, k: int) -> Values:
    """[m], the probability that the r-th best of m settings is the best of k drawn without replacement.

    >>> chances(3, 2).round(3).tolist()
    [0.667, 0.333, 0.0]
    """
    ways = [math.comb(settings - 1 - rank, k - 1) for rank in range(settings)]
    return np.array(ways) / math.comb(settings, k)


def curve(merits: Values, scores: Values, splits: Sequence[Split]) -> list[Estimate]:
    """Of the best of 1, …, m settings, by their merits and scores [m, S] on S seeds; more is better.

    With 95% the intervals of `Estimate.interval(m)` hold for all k at once.
    """
    settings = len(merits)
    by_split = [
        scores[np.argsort(-merits[:, choosing].mean(1).round(12), kind="stable")][:, scoring].mean(1)
        for choosing, scoring in splits
    ]
    ordered = np.array(by_split)
    return [over_seeds(ordered @ chances(settings, k)) for k in range(1, settings + 1)]


def one_out(seeds: int) -> list[Split]:
    """Every seed scores what the others chose."""
    return [([other for other in range(seeds) if other != seed], [seed]) for seed in range(seeds)]


def next_scores(seeds: int, repetitions: int) -> list[Split]:
    """Every repetition, so many seeds each, chooses; the next one scores."""
    size = seeds // repetitions
    parts = [range(start, start + size) for start in range(0, size * repetitions, size)]
    return list(zip(parts, [*parts[1:], parts[0]], strict=True))


def best_of_k(comparison: Comparison) -> pd.DataFrame:
    """A row for each regularizer and k: `k`, `settings`, `runs` and `seconds` of the tuning, n, mean, half.

    `seconds` are of cores, where earlier versions did not measure them of time, and missing where runs were
    trained in several circumstances. `runs` are those that choosing among k takes; accuracies are in %, on
    the part that `split` says: test, where the tune runs were measured on it, else validation. Empty without
    tune seeds, or of fewer than two splits; regularizers whose runs are not all finished are left out.
    """
    tables = comparison.tables
    if tables.selection is None:
        return pd.DataFrame()
    metric = str(tables.selection["metric"].iloc[0])
    tuned = tables.results[
        (tables.results["phase"] == "tune") & of_problem(tables.results, comparison.problem)
    ]
    tested = tuned.loc[tuned["state"] != "diverged", "test_accuracy"].notna().all()
    split = "test" if tested else "validation"
    seconds = tuned[cost_column([tuned])] if len(circumstances(tuned)) == 1 else tuned["seconds"] * math.nan
    tuned = tuned.assign(seconds=seconds)
    order = weakest_first(records(tables.runs), tables.words)
    rows = [
        {"regularizer": str(name), "strength": f"best of {row['k']}", "split": split, **row}
        for name, mine in tuned.groupby("regularizer", sort=False)
        for row in _rows(mine, metric, f"{split}_accuracy", tables, order)
    ]
    return pd.DataFrame(rows)


def _rows(
    runs: pd.DataFrame, metric: str, score: str, tables: Tables, order: Order
) -> Iterator[dict[str, Any]]:
    by_strength: dict[str, dict[int, Mapping[str, Any]]] = {}
    for run in records(runs):
        by_strength.setdefault(run["strength"], {})[run["seed"]] = run
    cell = Cell.of(records(runs)[0])
    strengths = sorted(by_strength, key=lambda strength: order(cell, strength))  # of equals the first is best
    seeds = sorted(by_strength[strengths[0]])
    whole = all(sorted(by_strength[each]) == seeds for each in strengths)
    if not whole or len(seeds) < 2 or len(seeds) % tables.repetitions:
        return
    again = tables.repetitions
    splits = next_scores(len(seeds), again) if again > 1 else one_out(len(seeds))
    sign = -1 if metric.endswith("loss") else 1
    table = [[by_strength[strength][seed] for seed in seeds] for strength in strengths]
    merits = np.array([[sign * counted(run, metric) for run in row] for row in table])
    scores = np.array([[100 * _accuracy(run, score) for run in row] for row in table])
    seconds = runs["seconds"].mean()
    for k, found in enumerate(curve(merits, scores, splits), 1):
        chosen_by = k * len(splits[0][0])
        yield {
            "k": k,
            "settings": len(strengths),
            "runs": chosen_by,
            "seconds": chosen_by * seconds,
            "n": found.n,
            "mean": found.mean,
            "half": found.interval(len(strengths)).half,
        }


def _accuracy(run: Mapping[str, Any], score: str) -> float:
    value = run[score]
    sound = run["state"] != "diverged" and not pd.isna(value)
    return float(value) if sound else guess.accuracy(run.get("classes") or math.inf)
