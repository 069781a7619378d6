"""The expectation over subsets against drawing them all, the band's coverage by simulation, and a store's."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest

from analysis.statistics.best_of_k import best_of_k, chances, curve, next_scores, one_out
from analysis.statistics.contenders import comparisons
from analysis.statistics.strength_selection import select
from analysis.tables.collect import collect
from analysis.tables.store_tables import Tables
from regularize.store import Store

SETTINGS, SEEDS = 5, 8


def test_the_expectation_is_that_over_all_subsets() -> None:
    generator = np.random.default_rng(0)
    merits, scores = generator.normal(size=(2, SETTINGS, SEEDS))
    found = curve(merits, scores, one_out(SEEDS))
    for k in range(1, SETTINGS + 1):
        by_seed = []
        for seed in range(SEEDS):
            others = [other for other in range(SEEDS) if other != seed]
            means = merits[:, others].mean(1)
            best = [
                max(subset, key=lambda place: means[place]) for subset in combinations(range(SETTINGS), k)
            ]
            by_seed.append(scores[best, seed].mean())
        assert found[k - 1].mean == pytest.approx(np.mean(by_seed))
        assert found[k - 1].error == pytest.approx(np.std(by_seed, ddof=1) / np.sqrt(SEEDS))
    assert [chances(SETTINGS, k).sum() for k in range(1, SETTINGS + 1)] == pytest.approx([1.0] * SETTINGS)


@pytest.mark.parametrize("spread", [0.0, 0.3, 2.0])
def test_the_band_covers_what_the_procedure_is_worth(spread: float) -> None:
    """Settings equally good, hard and easy to tell apart; validation and test share what is the run's own."""
    levels, generator = np.linspace(0, -spread, SETTINGS), np.random.default_rng(1)

    def drawn(seeds: int) -> tuple[np.ndarray, np.ndarray]:
        own = generator.normal(0, 0.5, (SETTINGS, seeds)) + generator.normal(0, 0.3, seeds)
        both = levels[:, None] + own
        return both + generator.normal(0, 0.3, own.shape), both + generator.normal(0, 0.1, own.shape)

    truths = np.zeros(SETTINGS)
    for _ in range(4000):
        ranked = np.argsort(-drawn(SEEDS - 1)[0].mean(1))
        truths += [levels[ranked] @ chances(SETTINGS, k) / 4000 for k in range(1, SETTINGS + 1)]
    covered = []
    for _ in range(400):
        found = [each.interval(SETTINGS) for each in curve(*drawn(SEEDS), one_out(SEEDS))]
        covered.append(
            all(abs(each.mean - true) <= each.half for each, true in zip(found, truths, strict=True))
        )
    assert np.mean(covered) >= 0.93


def test_a_store_has_a_curve_for_each_technique(make_store: Callable[..., Store]) -> None:
    store = make_store()
    collect(store)
    select(store)
    (comparison,) = comparisons(Tables(store))
    found = best_of_k(comparison).set_index(["regularizer", "k"])
    assert found.loc["l2", "runs"].tolist() == [2, 4, 6], "two of three seeds choose among 1, 2, 3 strengths"
    assert found.loc["none", "settings"].tolist() == [1]
    tuned = Tables(store).results.query("phase == 'tune' and regularizer == 'l2'")
    assert found.loc[("l2", 1), "mean"] == pytest.approx(100 * tuned["test_accuracy"].mean())
    assert (found["n"] == 3).all()


def test_repetitions_score_what_the_one_before_chose() -> None:
    assert [(list(a), list(b)) for a, b in next_scores(6, 3)] == [
        ([0, 1], [2, 3]),
        ([2, 3], [4, 5]),
        ([4, 5], [0, 1]),
    ]
