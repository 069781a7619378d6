"""The main table: every contender's test accuracy, and its difference to no regularizer.

Differences are paired by seed. Whether one is more than chance is not said here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from analysis.notation.intervals import Interval, interval, paired_differences
from analysis.statistics.contenders import Comparison, Contender, comparisons
from analysis.tables.pooled_inputs import pooled
from analysis.tables.store_tables import Tables
from analysis.text.results_text import to_latex
from regularize.store import Store, write_text

_NOTHING = pd.Series(dtype=float)


def results_table(tables: Tables) -> pd.DataFrame:
    """One row a problem and contender.

    Columns: dataset, per_class, model, regularizer, strength; n, the seeds that did not diverge, and
    n_diverged; test_accuracy in %; difference of it to the baseline in percentage points over the
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
    write_text(store.tables / "results_table.csv", frame.to_csv(index=False, lineterminator="\n"))
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
    done, baseline = comparison.done(contender), comparison.baseline
    paired = baseline is not None and baseline != contender
    reference = comparison.done(baseline)["test_accuracy"] if baseline and paired else _NOTHING
    gap = interval(done["test_loss"] - done["train_loss"])
    return {
        "test_accuracy": interval(100 * done["test_accuracy"]),
        "difference": interval(paired_differences(100 * done["test_accuracy"], 100 * reference)),
        "test_loss": interval(done["test_loss"]),
        "gap": gap if gap.n == len(done) else interval(_NOTHING),  # some were measured otherwise
    }
