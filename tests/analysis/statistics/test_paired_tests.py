from __future__ import annotations

import math
import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW, ttost_paired

from analysis.notation.intervals import interval
from analysis.statistics import paired_tests, seeds_needed
from analysis.statistics.estimates import constant, over_seeds

CASES = {
    "spread": [0.31, -0.12, 0.55, 0.48, 0.02, 0.29, 0.81, -0.05, 0.44, 0.37],
    "ties": [0.1, 0.1, -0.1, 0.1, 0.2, -0.2, 0.1, 0.0, 0.0, 0.1],
    "two": [0.4, 0.6],
    "all but one 0": [0.0, 0.0, 0.0, 0.0, 0.0, 1.5],
    "symmetric": [-1.0, 1.0, -2.0, 2.0],
    "far from 0": [1e6 + 1, 1e6 + 2, 1e6 + 4],
    "sixteen": list(np.random.default_rng(3).normal(0.2, 0.5, 16)),
}
cases = pytest.mark.parametrize("values", CASES.values(), ids=CASES)
numbers = st.lists(st.integers(-10_000, 10_000).map(lambda number: number / 100), min_size=2, max_size=10)


@cases
def test_t_test_is_statsmodels(values: list[float]) -> None:
    _, p, df = DescrStatsW(values).ttest_mean(0.0)
    assert paired_tests.t_test(values) == pytest.approx(p)
    assert df == len(values) - 1


@cases
def test_interval_is_statsmodels(values: list[float]) -> None:
    found = interval(pd.Series(values))
    expected = DescrStatsW(values).tconfint_mean(alpha=0.05)
    assert [found.mean - found.half, found.mean + found.half] == pytest.approx(expected)


@cases
def test_sign_flips_are_scipys_permutations(values: list[float]) -> None:
    expected = stats.permutation_test(
        (values,), np.sum, permutation_type="samples", n_resamples=2**17, vectorized=True
    )
    assert paired_tests.sign_flip_test(values) == pytest.approx(expected.pvalue)


def test_many_differences_are_flipped_at_random_but_always_alike() -> None:
    values = np.random.default_rng(1).normal(0.15, 0.5, 24)
    first = paired_tests.sign_flip_test(values)
    assert first == paired_tests.sign_flip_test(values)
    assert first == pytest.approx(paired_tests.t_test(values), rel=0.1)
    assert paired_tests.sign_flip_test(np.full(30, 0.5)) == 2**-16, "never 0"


@pytest.mark.parametrize("n", range(1, 13))
def test_smallest_p_is_that_of_equal_signs(n: int) -> None:
    assert paired_tests.sign_flip_test(np.arange(1, n + 1)) == seeds_needed.smallest_p(n)


@pytest.mark.parametrize("comparisons", [1, 2, 5, 12, 40])
def test_fewer_pairs_than_needed_can_never_be_confirmed(comparisons: int) -> None:
    enough = seeds_needed.pairs_needed(comparisons)
    assert (
        paired_tests.holm([seeds_needed.smallest_p(enough)] + [1.0] * (comparisons - 1))[0]
        <= seeds_needed.ALPHA
    )
    assert (
        paired_tests.holm([seeds_needed.smallest_p(enough - 1)] + [1.0] * (comparisons - 1))[0]
        > seeds_needed.ALPHA
    )


@pytest.mark.parametrize(
    "p_values", [[0.01, 0.04, 0.03, 0.005], [0.02] * 5, [0.9, 0.9, 0.001], [0.05], [0.0, 1.0, 0.5, 0.5]]
)
def test_holm_is_statsmodels(p_values: list[float]) -> None:
    assert paired_tests.holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_a_refused_test_counts_in_the_correction() -> None:
    found = paired_tests.holm([0.01, math.nan, 0.02])
    assert found[::2] == pytest.approx(multipletests([0.01, 1.0, 0.02], method="holm")[1][::2])
    assert math.isnan(found[1])
    assert paired_tests.holm([]) == []


@pytest.mark.parametrize("mean", [-0.3, -0.15, 0.0, 0.1, 0.3])
@pytest.mark.parametrize("sd", [0.02, 0.1, 0.4])
def test_equivalence_is_statsmodels_two_one_sided_tests(mean: float, sd: float) -> None:
    values = np.random.default_rng(7).normal(mean, sd, 10)
    p, _, _ = ttost_paired(values, np.zeros(10), -0.2, 0.2)
    found = over_seeds(values)
    assert found.within(0.2) == pytest.approx(p)
    beyond = DescrStatsW(values).ttest_mean(0.2, alternative="larger")[1]
    below = DescrStatsW(values).ttest_mean(-0.2, alternative="smaller")[1]
    assert found.beyond(0.2) == pytest.approx(min(1, 2 * min(beyond, below)))
    verdict = paired_tests.verdict(found.mean, found.beyond(0.2), found.within(0.2))
    assert (verdict == "equivalent") == (p <= 0.05)
    assert (verdict == "better", verdict == "worse") == (beyond <= 0.025, below <= 0.025)


@pytest.mark.parametrize(("won", "n"), [(0, 10), (3, 10), (10, 10), (1, 1), (7, 15)])
def test_the_interval_of_a_share_of_seeds_is_statsmodels(won: int, n: int) -> None:
    low, high = paired_tests.p_improvement_interval([1.0] * won + [-1.0] * (n - won))
    assert (low, high) == pytest.approx(proportion_confint(won, n, method="beta"))


@pytest.mark.parametrize(("values", "p", "flip"), [([0.0] * 4, 1.0, 1.0), ([0.1] * 4, math.nan, 0.125)])
def test_differences_without_variance(values: list[float], p: float, flip: float) -> None:
    assert constant(values)
    assert paired_tests.t_test(values) == pytest.approx(p, nan_ok=True)
    assert paired_tests.sign_flip_test(values) == flip
    assert math.isnan(paired_tests.d_z(values))


def test_rounding_is_no_variance() -> None:
    assert constant([0.3, 0.1 + 0.2, 0.3])
    assert not constant([0.3, 0.3001])


@pytest.mark.parametrize("values", [[], [0.3]])
def test_too_few_differences(values: list[float]) -> None:
    assert math.isnan(paired_tests.t_test(values))
    assert math.isnan(paired_tests.d_z(values))
    assert math.isnan(paired_tests.p_improvement(values)) == (not values)


@cases
def test_d_z_is_t_over_root_n(values: list[float]) -> None:
    t = stats.ttest_rel(values, np.zeros(len(values))).statistic
    assert paired_tests.d_z(values) == pytest.approx(t / math.sqrt(len(values)))


def test_improvement_counts_half_of_the_ties() -> None:
    assert paired_tests.p_improvement([1.0, 2.0, -1.0, 0.0]) == 0.625


@given(numbers, st.randoms(use_true_random=False))
def test_order_never_matters_to_the_last_bit(values: list[float], rng: random.Random) -> None:
    shuffled = list(values)
    rng.shuffle(shuffled)
    for function in (
        paired_tests.t_test,
        paired_tests.sign_flip_test,
        paired_tests.d_z,
        paired_tests.p_improvement,
    ):
        assert repr(function(values)) == repr(function(shuffled))


@given(numbers)
def test_the_other_way_round_is_as_far_from_chance(values: list[float]) -> None:
    opposite = [-value for value in values]
    assert paired_tests.t_test(opposite) == pytest.approx(paired_tests.t_test(values), nan_ok=True)
    assert paired_tests.sign_flip_test(opposite) == pytest.approx(paired_tests.sign_flip_test(values))
    assert paired_tests.p_improvement(opposite) == pytest.approx(1 - paired_tests.p_improvement(values))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_holm_follows_its_tests(p_values: list[float], rng: random.Random) -> None:
    order = list(range(len(p_values)))
    rng.shuffle(order)
    found = paired_tests.holm(p_values)
    assert paired_tests.holm([p_values[place] for place in order]) == [found[place] for place in order]
    assert all(one >= p for one, p in zip(found, p_values, strict=True))
