from __future__ import annotations

import math

import pandas as pd
import pytest
from scipy import stats

from analysis.notation.intervals import half_width, interval, paired_differences


@pytest.mark.parametrize("values", [[1.0, 2.0], [0.91, 0.93, 0.90, 0.95], [5.0] * 3 + [7.0] * 9])
def test_interval_is_scipys(values: list[float]) -> None:
    found = interval(pd.Series(values))
    low, high = stats.t.interval(
        0.95, len(values) - 1, loc=sum(values) / len(values), scale=stats.sem(values)
    )
    assert [found.mean - found.half, found.mean + found.half] == pytest.approx([low, high])
    assert found.n == len(values)


def test_too_few_values_have_no_interval() -> None:
    assert math.isnan(interval(pd.Series([1.0])).half)
    assert math.isnan(interval(pd.Series([], dtype=float)).mean)
    assert math.isnan(half_width([1.0, 1.0], [1, 2])[0])


def test_missing_values_are_not_counted() -> None:
    assert interval(pd.Series([1.0, math.nan, 3.0])).n == 2


def test_difference_pairs_by_seed_not_by_row() -> None:
    values = pd.Series([10.0, 20.0, 30.0, 99.0], index=[3, 1, 2, 7])
    baseline = pd.Series([18.0, 27.0, 9.0, 50.0], index=[1, 2, 3, 8])
    found = interval(paired_differences(values, baseline))
    differences = [10 - 9, 20 - 18, 30 - 27]  # seeds 3, 1, 2; seeds 7 and 8 have no partner
    assert found.n == 3
    assert found.mean == pytest.approx(2.0)
    expected = stats.t.ppf(0.975, 2) * stats.tstd(differences) / math.sqrt(3)
    assert found.half == pytest.approx(expected)
