"""A sweep's problems together, as description: `tables/across.parquet`.

Ranks, wins and an interquartile mean, without any test: a handful of data sets is no sample from which to
conclude on others, and taking seeds for independent blocks finds differences where there are none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import stats

from analysis.statistics.contenders import Comparison, comparisons
from analysis.statistics.paired_differences import duels
from analysis.statistics.scores import score
from analysis.tables.store_tables import Tables, to_frame

ACROSS = pa.schema(
    [
        ("regularizer", pa.string()),  # the sweep's name for the entry
        ("strength", pa.string()),  # `` in a sweep that chooses strengths: one for each problem
        ("metric", pa.string()),  # what it is compared by
        ("problems", pa.int64()),  # in which it has a finished run
        ("mean_rank", pa.float64()),  # 1 is best; null unless in every problem, and none often diverged
        ("ranked", pa.int64()),  # how many are ranked
        ("wins", pa.int64()),  # problems in which its mean difference to the baseline is an improvement
        ("ties", pa.int64()),  # problems without a mean difference
        ("losses", pa.int64()),  # problems in which it is worse
        ("significant_wins", pa.int64()),  # of these, after Holm within their problem, and confirmed
        ("significant_losses", pa.int64()),  # the same of the losses
        ("equivalent", pa.int64()),  # problems with that verdict
        ("refused", pa.int64()),  # problems without a conclusion
        ("iqm_difference", pa.float64()),  # mean of the middle half of the differences
        ("difference_unit", pa.string()),  # of iqm_difference
        ("n", pa.int64()),  # differences: problems × pairs of seeds
        ("n_diverged", pa.int64()),  # of their runs
        ("rule", pa.string()),  # what kind of statement this is
    ]
)
_RULE = "description of these problems; no inference to others"


def across(tables: Tables, compared: pd.DataFrame) -> pd.DataFrame:
    """One row a contender, the baseline's first; no row where there is only one problem.

    `compared` is what `analysis.statistics.comparison_table.compare` finds in the same tables.
    """
    found = comparisons(tables)
    if len(found) < 2:
        return to_frame([], ACROSS)
    metric = str(compared["metric"].iloc[0])
    frame = compared if tables.selection is None else compared.assign(strength="")
    names = ["regularizer", "strength"]
    pooled = _differences(tables, found, metric)
    ranks = mean_ranks(frame, len(found), score(metric).sign)
    rows = (
        {
            **dict(zip(names, map(str, key), strict=True)),
            "metric": metric,
            "mean_rank": ranks.get(key),
            "ranked": len(ranks),
            **_counts(rows, score(metric).sign),
            **_iqm(pooled.get(key, [])),
            "rule": _RULE,
        }
        for key, rows in frame.groupby(names, sort=False)
    )
    return to_frame(list(rows), ACROSS)


def mean_ranks(frame: pd.DataFrame, problems: int, sign: int) -> dict[Any, float]:
    """The mean rank of those that have a mean in every problem and rarely diverge; equals share theirs."""
    keys = ["dataset", "per_class", "model"]
    there = frame[frame["mean"].notna() & ~frame["unstable"].astype(bool)]
    complete = there.groupby(["regularizer", "strength"])["mean"].transform("size") == problems
    there = there[complete]
    # Twelve digits: equal means must not be told apart by the rounding of their sums.
    place = (-sign * there["mean"].round(12)).groupby([there[key] for key in keys], dropna=False).rank()
    means = place.groupby([there["regularizer"], there["strength"]]).mean()
    return {key: float(value) for key, value in means.items()}


def _differences(tables: Tables, found: Sequence[Comparison], metric: str) -> dict[Any, list[float]]:
    pooled: dict[Any, list[float]] = {}
    for comparison in found:
        for duel in duels(comparison, score(metric)):
            strength = "" if tables.selection is not None else duel.contender.strength
            pooled.setdefault((duel.contender.regularizer, strength), []).extend(duel.differences)
    return pooled


def _iqm(differences: list[float]) -> dict[str, Any]:
    """The interquartile mean (Agarwal et al. 2021): robust as the median, but with half of the data."""
    iqm = float(stats.trim_mean(np.sort(differences), 0.25)) if differences else None
    return {"n": len(differences), "iqm_difference": iqm}


def _counts(rows: pd.DataFrame, sign: int) -> dict[str, Any]:
    gains = sign * rows["difference"].round(12)
    significant = rows["confirmed"] == True  # noqa: E712, missing where there is nothing to confirm
    return {
        "problems": int((rows["n"] > 0).sum()),
        "wins": int((gains > 0).sum()),
        "ties": int((gains == 0).sum()),
        "losses": int((gains < 0).sum()),
        "significant_wins": int((significant & (gains > 0)).sum()),
        "significant_losses": int((significant & (gains < 0)).sum()),
        "equivalent": int((rows["verdict"] == "equivalent").sum()),
        "refused": int(rows["refused"].notna().sum()),
        "n_diverged": int(rows["n_diverged"].sum()),
        "difference_unit": rows["difference_unit"].iloc[0],
    }
