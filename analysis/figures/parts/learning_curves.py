"""Learning curves over seeds: their means and t-intervals, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.figures.parts.subject import CannotDrawError
from analysis.notation.intervals import half_width
from analysis.statistics.contenders import Comparison

Values = NDArray[np.float64]


class Scale(NamedTuple):
    """From values to places on an axis, and back."""

    place: Callable[[Values], Values]
    value: Callable[[Values], Values]


LINEAR = Scale(lambda values: values, lambda places: places)
LOG = Scale(lambda values: np.log(np.maximum(values, 1e-12)), np.exp)
LOG_ERROR = Scale(
    lambda percent: -np.log(np.maximum(100 - percent, 0.01)), lambda places: 100 - np.exp(-places)
)


def curves(rows: pd.DataFrame, column: str, scale: Scale = LINEAR) -> pd.DataFrame:
    """Mean and 95% t-interval of a column over seeds, both taken on `scale`.

    `rows` has one row for each run, series (what a line shows, e.g. a split) and epoch. Returns the
    columns regularizer, strength, series, epoch, n, mean, low, high; the interval of a single seed
    is NaN, and where a value is infinite the mean, too, so that the line has a gap.
    """
    places = rows.assign(place=scale.place(rows[column].to_numpy()))
    groups = places.groupby(["regularizer", "strength", "series", "epoch"], sort=True)["place"]
    with np.errstate(invalid="ignore"):
        frame = groups.agg(n="count", mean="mean", sd="std").reset_index()
    frame = frame.replace([np.inf, -np.inf], np.nan)
    half = half_width(frame.pop("sd"), frame["n"])
    found = {"mean": frame["mean"], "low": frame["mean"] - half, "high": frame["mean"] + half}
    return frame.assign(**{name: scale.value(place.to_numpy()) for name, place in found.items()})


def limits(data: pd.DataFrame, scale: Scale = LINEAR) -> tuple[float, float]:
    """Limits of the y axis: all means, and bands as far as a quarter of the means' range beyond.

    The wide band of two seeds must not flatten every line.

    Raises:
        CannotDrawError: there is no mean.
    """
    means, lows, highs = (scale.place(data[name].to_numpy()) for name in ("mean", "low", "high"))
    means = means[np.isfinite(means)]
    if not len(means):
        raise CannotDrawError("no value is finite on every seed")
    low, high = float(means.min()), float(means.max())
    reach = (high - low) / 4 or 0.1
    low = max(low - reach, float(np.nanmin([*lows, low])))
    high = min(high + reach, float(np.nanmax([*highs, high])))
    margin = 0.05 * (high - low) or 0.1
    bottom, top = scale.value(np.array([low - margin, high + margin]))
    return float(bottom), float(top)


def by_split(comparison: Comparison, *splits: str) -> pd.DataFrame:
    """The metrics of the given splits, the split as `series`."""
    rows = comparison.metrics.rename(columns={"split": "series"})
    return rows[rows["series"].isin(splits)]


def gap(comparison: Comparison) -> pd.DataFrame:
    """Test loss minus training loss of every run and epoch, as the series `gap`."""
    run = ["run_id", "regularizer", "strength", "seed", "epoch"]
    wide = comparison.metrics.pivot(index=run, columns="split", values="loss")
    return (wide["test"] - wide["train"]).rename("gap").reset_index().assign(series="gap")
