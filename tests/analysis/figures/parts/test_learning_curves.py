from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.figures.parts.learning_curves import LOG, LOG_ERROR, curves, gap, limits
from analysis.statistics.contenders import comparisons
from analysis.statistics.strength_selection import select
from analysis.tables.collect import collect
from analysis.tables.store_tables import Tables
from regularize.store import Store


def row(seed: int, epoch: int, loss: float, series: str = "test") -> dict[str, object]:
    return {
        "regularizer": "l2",
        "strength": "0.1",
        "series": series,
        "seed": seed,
        "epoch": epoch,
        "loss": loss,
    }


def test_mean_and_interval_of_every_epoch() -> None:
    values = {1: [0.5, 0.7, 0.9], 2: [0.1, 0.1, 0.4]}
    rows = [row(seed, epoch, loss) for epoch, losses in values.items() for seed, loss in enumerate(losses)]
    found = curves(pd.DataFrame(rows), "loss")
    assert found["epoch"].tolist() == [1, 2]
    assert found["n"].tolist() == [3, 3]
    for place, losses in enumerate(values.values()):
        expected = stats.t.interval(0.95, 2, loc=sum(losses) / 3, scale=stats.sem(losses))
        assert [found["low"][place], found["high"][place]] == pytest.approx(list(expected))


def test_on_a_logarithmic_axis_means_are_geometric_and_bands_stay_above_zero() -> None:
    losses = [0.01, 0.1, 1.0]
    found = curves(pd.DataFrame([row(seed, 1, loss) for seed, loss in enumerate(losses)]), "loss", LOG)
    logs = [math.log(loss) for loss in losses]
    low, high = stats.t.interval(0.95, 2, loc=sum(logs) / 3, scale=stats.sem(logs))
    assert found["mean"][0] == pytest.approx(0.1)
    assert [found["low"][0], found["high"][0]] == pytest.approx([math.exp(low), math.exp(high)])


def test_log_error_and_back() -> None:
    percent = np.array([0.0, 50.0, 99.0, 99.98])
    assert LOG_ERROR.value(LOG_ERROR.place(percent)) == pytest.approx(percent)


def test_a_single_seed_has_no_band() -> None:
    found = curves(pd.DataFrame([row(0, 1, 0.5)]), "loss")
    assert found["mean"].tolist() == [0.5]
    assert math.isnan(found["low"][0])


def frame(mean: list[float], low: list[float], high: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"mean": mean, "low": low, "high": high})


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (frame([0.0, 8.0], [-1.0, 7.0], [0.5, 9.0]), (-1.5, 9.5)),  # whole bands, 5% margin
        (frame([0.0, 8.0], [-99.0, 7.0], [0.5, 99.0]), (-2.6, 10.6)),  # cut at a quarter
        (frame([0.0, 8.0], [math.nan] * 2, [math.nan] * 2), (-0.4, 8.4)),
    ],
)
def test_limits(data: pd.DataFrame, expected: tuple[float, float]) -> None:
    assert list(limits(data)) == pytest.approx(list(expected))


def test_limits_of_equal_means_are_apart() -> None:
    low, high = limits(frame([1.0, 1.0], [math.nan] * 2, [math.nan] * 2))
    assert low < 1 < high


def test_gap_is_taken_within_each_run(make_store: Callable[..., Store]) -> None:
    store = make_store()
    collect(store)
    select(store)
    (comparison,) = comparisons(Tables(store))
    metrics = comparison.metrics
    found = gap(comparison)
    assert len(found) == 4 * 5 * 5
    one = found.iloc[4]
    losses = metrics[(metrics["run_id"] == one["run_id"]) & (metrics["epoch"] == one["epoch"])].set_index(
        "split"
    )["loss"]
    assert one["gap"] == pytest.approx(losses["test"] - losses["train"])
