"""Values that were measured alike: others are not compared, averaged or drawn together.

A value counts where its run was measured as the sweep asks now (`runs.evaluation`, `results.evaluation`),
and by the same numbers as most runs of its problem where the sweep leaves those open. Curves can only be
measured while a network is trained, so those count that most runs have, at the epochs that all of these
have. Of tables of earlier versions it is not known how they were measured; their numbers of examples are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from regularize.evaluation.measurement import alike

# The columns of `results` that a setting is of; the column named like it says by how many examples.
_COLUMNS: Mapping[str, Sequence[str]] = {
    "train_examples": ("train_loss", "train_accuracy"),
    "jacobian_examples": ("jacobian_norm",),
}
_CONTENDER = ["regularizer", "strength"]
_PROBLEM = ["dataset", "per_class", "model"]


def results_alike(results: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """`results` in which values are missing that were measured otherwise than the rest."""
    results = results.copy()
    for setting, columns in _COLUMNS.items():
        good = as_wanted(results, runs, setting)
        numbers = results[setting].where(good)
        usual = numbers.groupby([results[name] for name in _PROBLEM], dropna=False).transform(_usual)
        good &= numbers.isna() | (numbers == usual)
        if not good.all():
            results.loc[~good, list(columns)] = np.nan
    return results


def as_wanted(results: pd.DataFrame, runs: pd.DataFrame, setting: str) -> pd.Series:
    """Which rows are of runs of which what the setting stands for was measured as their sweep asks now."""
    wanted = results["run_id"].map(runs.set_index("run_id")["evaluation"])
    pairs = zip(results["evaluation"], wanted, strict=True)
    return pd.Series([_alike(*pair, setting) for pair in pairs], index=results.index, dtype=bool)


def attacks_alike(rows: pd.DataFrame, results: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """The rows of `robustness` that can be compared: each attack on as many examples, by the same steps."""
    good = results.loc[as_wanted(results, runs, "robustness"), "run_id"]
    return _by_same(rows[rows["run_id"].isin(good)], ["attack", "size"], ["examples", "steps", "step_size"])


def corruptions_alike(rows: pd.DataFrame, results: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """The rows of `corruptions` that can be compared: each copy with the same images in it."""
    good = results.loc[as_wanted(results, runs, "corruptions"), "run_id"]
    return _by_same(rows[rows["run_id"].isin(good)], ["corruption", "severity"], ["examples", "content"])


def curves_alike(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of `metrics` of runs measured on as many examples as most, at the epochs that all have.

    A run that was stopped early has none from then on: there ends its contender's line, and no other.
    """
    if rows.empty:
        return rows
    # The last row is measured on more examples than those before it.
    examples = rows.groupby(["run_id", "split"])["examples"].agg(["min", "max"]).unstack().fillna(-1)
    if len(examples.drop_duplicates()) > 1:
        how = examples.apply(tuple, axis=1)
        rows = rows[rows["run_id"].isin(how[how == _usual_of_all(how)].index)]
    there = rows.groupby("epoch")["run_id"].nunique()
    if there.nunique() > 1:
        ends = rows.groupby("run_id")["epoch"].max()
        going = there.index.to_series().map(lambda epoch: int((ends >= epoch).sum()))
        rows = rows[rows["epoch"].isin(there[there == going].index)]
        last = rows["run_id"].map(ends)
        rows = rows[
            rows["epoch"] <= last.groupby([rows[name] for name in _CONTENDER], dropna=False).transform("min")
        ]
    return rows


def _by_same(rows: pd.DataFrame, point: Sequence[str], settings: Sequence[str]) -> pd.DataFrame:
    """The rows with the settings that most have at their point."""
    if rows.empty:
        return rows
    how = (
        rows.reindex(columns=[*settings])  # older tables lack some
        .astype(float)
        .fillna(-1)
        .apply(tuple, axis=1)
        .groupby([rows[name] for name in point])
    )
    return rows if how.nunique().max() == 1 else rows[how.transform(lambda each: each == _usual_of_all(each))]


def _alike(measured: object, wanted: object, setting: str) -> bool:
    known = isinstance(measured, str) and isinstance(wanted, str)
    return not known or alike(str(measured), str(wanted), setting)


def _usual(numbers: pd.Series) -> float:
    """The most frequent number, of equally frequent ones the largest; NaN where there is none."""
    counts = numbers.value_counts()
    return float(counts[counts == counts.max()].index.max()) if len(counts) else np.nan


def _usual_of_all(how: pd.Series) -> object:
    """The same of tuples, which a transformation must not take for several values."""
    counts = how.value_counts()
    return max(counts[counts == counts.max()].index)
