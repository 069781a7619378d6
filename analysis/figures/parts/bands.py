"""Means over seeds as lines, their 95% t-intervals as bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from analysis.notation.intervals import half_width
from analysis.notation.methods import method
from analysis.statistics.contenders import Contender
from analysis.statistics.estimates import crossed, over_seeds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LineStyle = Literal["-", "--", ":", "-."]


def means(rows: pd.DataFrame, by: Sequence[str], column: str) -> pd.DataFrame:
    """Mean of a column over seeds and its 95% t-interval: the columns `by`, n, mean, low, high."""
    groups = rows.groupby(list(by), sort=True, dropna=False)[column]
    frame = groups.agg(n="count", mean="mean", sd="std").reset_index()
    half = half_width(frame.pop("sd"), frame["n"])
    return frame.assign(low=frame["mean"] - half, high=frame["mean"] + half)


SHARES = "intervals of shares are taken on the scale of arcsine square roots, and so stay within 0 and 100 %"


def share_ends(mean: pd.Series, half: pd.Series) -> tuple[pd.Series, pd.Series]:
    """The ends of mean ± half of shares in percent, by arcsine square roots (with the delta method)."""
    share = (mean / 100).clip(0, 1).to_numpy(float)
    place, slope = np.arcsin(np.sqrt(share)), 2 * np.sqrt(share * (1 - share))
    whole = half.to_numpy(float) / 100
    reach = np.where(slope > 0, np.divide(whole, slope, where=slope > 0, out=np.zeros_like(whole)), 0 * whole)
    ends = (place - reach).clip(0, np.pi / 2), (place + reach).clip(0, np.pi / 2)
    low, high = (pd.Series(100 * np.sin(end) ** 2, index=mean.index) for end in ends)
    return low, high


def over(rows: pd.DataFrame) -> str:
    """What the intervals of `accuracies` are over: of one figure all are alike."""
    counts = set(rows["correct"].fillna("").str.len())
    return f"seeds and {counts.pop()} images" if len(counts) == 1 and 0 not in counts else "seeds"


def accuracies(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Mean accuracy in percent by the columns `by`, with n, low and high, of attacked or corrupted images.

    Seeds and examples count as crossed factors, where it is known which examples were right (`over`); several
    rows of a seed are of the same examples and count as their mean.
    """
    found, known = [], over(rows) != "seeds"
    for key, mine in rows.groupby([*by], sort=True, dropna=False):
        if known:
            right = [np.frombuffer(each.encode(), np.uint8) == ord("1") for each in mine["correct"]]
            by_seed = pd.Series(right, index=mine.index).groupby(mine["seed"]).agg(lambda each: [*each])
            estimate = crossed([np.mean(each, axis=0) for each in by_seed])
        else:
            estimate = over_seeds(mine.groupby("seed")["accuracy"].mean())
        numbers = {"n": mine["seed"].nunique(), "mean": 100 * estimate.mean}
        found.append(dict(zip(by, key, strict=True)) | numbers | {"half": 100 * estimate.interval().half})
    data = pd.DataFrame(found)
    low, high = share_ends(data["mean"], data.pop("half"))
    return data.assign(low=low, high=high)


def of_contender(frame: pd.DataFrame, contender: Contender) -> pd.DataFrame:
    """The rows of one contender."""
    mine = (frame["regularizer"] == contender.regularizer) & (frame["strength"] == contender.strength)
    return frame[mine]


def band_line(
    axes: Axes, line: pd.DataFrame, x: str, contender: Contender, linestyle: LineStyle = "-", marker: str = ""
) -> None:
    """One line with its band, in the contender's colour; a line of few points has markers."""
    colour = method(contender.regularizer).colour
    marker = marker or ("." if len(line) < 4 else "")
    axes.fill_between(line[x], line["low"], line["high"], color=colour, alpha=0.2, linewidth=0)
    axes.plot(line[x], line["mean"], color=colour, linestyle=linestyle, marker=marker, markersize=2.8)
