"""The main table: every contender's test accuracy, and its difference to no regularizer.

Differences are paired by seed. Whether one is more than chance is not said here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from analysis.notation.intervals import Interval, interval, paired_differences
from analysis.statistics.contenders import Comparison, Contender, comparisons
from analysis.statistics.scores import SCORES
from analysis.tables.pooled_inputs import pooled
from analysis.tables.store_tables import Tables, write_csv
from analysis.text.results_text import to_latex
from regularize.store import Store, write_text

_NOTHING = pd.Series(dtype=float)
_SCORES = ("test_accuracy", "test_loss", "loss_gap")


def results_table(tables: Tables) -> pd.DataFrame:
    """One row a problem and contender.

    Columns: dataset, per_class, model, regularizer, strength; n, the seeds, and n_diverged, which
    count as constant guesses (in the gap, not at all);
    test_accuracy in %; difference of it to the baseline in percentage points over the
    n_pairs seeds that both have; test_loss and gap (test minus training loss) in nats; each of the
    four with its `_half`, the half width of the 95% t-interval; rule: how the strength was chosen. A gap of
    which not all n were measured alike is missing.
    `attrs` say in "pooled" whether results of different code or data stand in it.
    """
    found = pd.DataFrame([row for comparison in comparisons(tables) for row in _rows(comparison)])
    found.attrs["pooled"] = pooled(tables)
    return found


def write(frame: pd.DataFrame, store: Store) -> None:
    """Write `tables/results_table.csv`, with all digits, and `.tex`."""
    write_csv(store.tables / "results_table.csv", frame)
    write_text(store.tables / "results_table.tex", to_latex(frame))


def _rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    for contender in comparison.contenders:
        measures = _measures(comparison, contender)
        yield {
            **vars(comparison.problem),
            **vars(contender),
            "n": measures["test_accuracy"].n,
            "n_diverged": comparison.n_diverged(contender),
            "n_pairs": measures["difference"].n,
            **{name: found.mean for name, found in measures.items()},
            **{f"{name}_half": found.half for name, found in measures.items()},
            "rule": comparison.rule,
        }


def _measures(comparison: Comparison, contender: Contender) -> dict[str, Interval]:
    baseline = comparison.baseline
    accuracy, loss, gap = (_by_seed(comparison, contender, name) for name in _SCORES)
    paired = baseline is not None and baseline != contender
    reference = _by_seed(comparison, baseline, "test_accuracy") if baseline and paired else _NOTHING
    gaps = interval(gap)
    return {
        "test_accuracy": interval(accuracy),
        "difference": interval(paired_differences(accuracy, reference)),
        "test_loss": interval(loss),
        "gap": gaps if gaps.n == len(comparison.done(contender)) else interval(_NOTHING),
    }


def _by_seed(comparison: Comparison, contender: Contender, name: str) -> pd.Series:
    values = comparison.values(SCORES[name])
    values.index = pd.Index(comparison.results["run_id"])
    mine = comparison.of(contender)["run_id"]
    return mine.map(values)
