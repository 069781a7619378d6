"""The mean corruption error: how much of the baseline's errors on corrupted images a technique makes.

For a corruption c with severities s, CE_c = Σ_s E_s,c / Σ_s E_s,c(baseline), E being the share of images
that are classified wrongly; the mean over corruptions is the mCE. The baseline is `none` of the same
problem, its errors the mean over seeds, where the original took one AlexNet.

D. Hendrycks and T. Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", ICLR 2019 (arXiv:1903.12261).
"""

from __future__ import annotations

import pandas as pd

from analysis.statistics.contenders import Contender
from regularize.data.corrupted import EXTRA

MEAN = "mean"  # of the corruptions, in the column `corruption`
_RUN = ["regularizer", "strength", "seed"]


def corruption_errors(rows: pd.DataFrame, baseline: Contender) -> pd.DataFrame:
    """Percent of the baseline's errors: columns regularizer, strength, seed, corruption, relative.

    `rows` are those of the table `corruptions`. Of each run the `MEAN` comes first, without the corruptions
    that are published beside those that count. A corruption on which the baseline makes no error has none.
    """
    wrong = rows[rows["severity"] > 0].assign(error=lambda frame: 1 - frame["accuracy"])
    errors = wrong.groupby([*_RUN, "corruption"], sort=False, dropna=False)["error"].sum().reset_index()
    mine = (errors["regularizer"] == baseline.regularizer) & (errors["strength"] == baseline.strength)
    of_baseline = errors[mine].groupby("corruption")["error"].mean()
    relative = 100 * errors["error"] / errors["corruption"].map(of_baseline.where(of_baseline > 0))
    each = errors.assign(relative=relative).drop(columns="error")
    counted = each[~each["corruption"].isin(EXTRA)]
    means = counted.groupby(_RUN, sort=False, dropna=False)["relative"].mean().reset_index()
    return pd.concat([means.assign(corruption=MEAN), each])[[*_RUN, "corruption", "relative"]]
