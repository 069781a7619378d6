"""What figures show of predictions: by run and in bins, from reading each pack's predictions once.

Kept are the numbers alone: never more is in memory than the predictions of one pack.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from math import log

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analysis.statistics.contenders import Comparison, Contender
from analysis.statistics.predicted_probabilities import (
    BINS,
    auroc,
    calibration_error,
    entropy,
    equal_mass,
    equal_width,
    probabilities,
)
from analysis.tables.kept_predictions import kept_predictions
from analysis.tables.readable_rows import READABLE
from analysis.tables.store_tables import digest

VALUE_BINS = 20
"""Of `shares`, over the whole range of a value."""
_SIGNS = {"confidence": 1, "entropy": -1}  # −1: wrong predictions have the higher values

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class BinnedPredictions:
    """Of the runs of a comparison that did not diverge and kept predictions, on test examples.

    `runs` has a row a run: regularizer, strength, seed, ece and ece_mass (the calibration error in percent
    with bins of equal width and of equal mass), auroc_confidence and auroc_entropy (the area under the ROC
    curve when these tell right from wrong), content (a digest of its predictions).
    `reliability`: regularizer, strength, bin (of confidence, `BINS` of equal width), low, high, count,
    confidence and accuracy (means), the runs of all seeds together. `shares`, for confidence and for entropy
    (in nats): regularizer, strength, series (right or wrong), low, high, count, share of that series.
    """

    classes: int
    runs: pd.DataFrame
    reliability: pd.DataFrame
    shares: dict[str, pd.DataFrame]

    @property
    def digest(self) -> str:
        """Names the predictions that it is of."""
        return digest(self.runs)


@lru_cache(maxsize=1)
def binned(comparison: Comparison) -> BinnedPredictions | None:
    """None where the runs kept no predictions. Worked out once for all figures of the same comparison."""
    sums: dict[Contender, _Sums] = {}
    known = comparison.results["classes"].dropna()  # older results do not say
    runs: list[dict[str, object]] = []
    of_run = {
        run_id: (contender, seed)
        for contender in comparison.contenders
        for seed, run_id in comparison.done(contender)["run_id"].items()
    }
    for run_id, p, labels in _predictions(comparison, list(of_run)):
        contender, seed = of_run[run_id]
        mine = sums.setdefault(contender, _Sums(int(known.iloc[0]) if len(known) else p.shape[1]))
        runs.append(vars(contender) | {"seed": seed} | mine.add(p, p.argmax(1) == labels))
    if not runs:
        return None
    each = sorted(sums.items(), key=lambda item: (item[0].regularizer, item[0].strength))
    return BinnedPredictions(
        classes=next(iter(sums.values())).classes,
        runs=pd.DataFrame(runs).sort_values(["regularizer", "strength", "seed"], ignore_index=True),
        reliability=pd.concat([mine.reliability(of) for of, mine in each], ignore_index=True),
        shares={
            column: pd.concat([mine.shares(of, column) for of, mine in each], ignore_index=True)
            for column in _SIGNS
        },
    )


def _predictions(comparison: Comparison, run_ids: list[str]) -> Iterator[tuple[str, Numbers, pa.Array]]:
    """Of each run that has some: its id, probabilities [N, K] and labels [N], by example."""
    tables, columns = comparison.tables, ["run_id", *READABLE, "pack_id"]
    results = tables.rows("results", comparison.problem, columns, run_id=run_ids)
    for pack in results["pack_id"].unique():
        mine = results.filter(
            pc.is_null(results["pack_id"]) if not pack.is_valid else pc.equal(results["pack_id"], pack)
        )
        rows = kept_predictions(tables.store, mine, ["run_id", "label", "logits"]).combine_chunks()
        runs = rows["run_id"].combine_chunks().dictionary_encode()
        edges = np.searchsorted(runs.indices.to_numpy(), range(len(runs.dictionary) + 1))
        for run_id, start, end in zip(runs.dictionary.to_pylist(), edges, edges[1:], strict=False):
            run = rows.slice(start, end - start)
            logits = run["logits"].combine_chunks().flatten().to_numpy().reshape(len(run), -1)
            yield run_id, probabilities(logits), run["label"].to_numpy()


@dataclass
class _Sums:
    """Of one contender, over its runs."""

    classes: int
    count: Numbers = field(default_factory=lambda: np.zeros(BINS))
    confidence: Numbers = field(default_factory=lambda: np.zeros(BINS))
    right: Numbers = field(default_factory=lambda: np.zeros(BINS))
    by_value: dict[tuple[str, bool], NDArray[np.int64]] = field(
        default_factory=lambda: defaultdict(lambda: np.zeros(VALUE_BINS, np.int64))
    )

    def add(self, p: Numbers, right: NDArray[np.bool_]) -> dict[str, float | str]:
        """Count one run's probabilities [N, K] and which were right [N]; its own numbers."""
        values = {"confidence": p.max(1), "entropy": entropy(p)}
        confidence = values["confidence"]
        width, mass = equal_width(confidence), equal_mass(confidence)
        self.count += np.bincount(width, minlength=BINS)
        self.confidence += np.bincount(width, confidence, BINS)
        self.right += np.bincount(width, right, BINS)
        for column, value in values.items():
            ends = self._range(column)
            for kind in (False, True):
                inside = value[right == kind].clip(*ends)
                self.by_value[column, kind] += np.histogram(inside, VALUE_BINS, ends)[0]
        content = [right.tobytes(), *(value.tobytes() for value in values.values())]
        return {
            "ece": 100 * calibration_error(confidence, right, width),
            "ece_mass": 100 * calibration_error(confidence, right, mass),
            **{f"auroc_{name}": auroc(sign * values[name], right) for name, sign in _SIGNS.items()},
            "content": hashlib.blake2b(b"".join(content), digest_size=16).hexdigest(),
        }

    def _range(self, column: str) -> tuple[float, float]:
        return (1 / self.classes, 1.0) if column == "confidence" else (0.0, log(self.classes))

    def reliability(self, contender: Contender) -> pd.DataFrame:
        there = np.flatnonzero(self.count)
        count = self.count[there]
        means = {"confidence": self.confidence[there] / count, "accuracy": self.right[there] / count}
        numbers = {"bin": there, "count": count.astype(int), **means}
        return pd.DataFrame(vars(contender) | numbers | {"low": there / BINS, "high": (there + 1) / BINS})

    def shares(self, contender: Contender, column: str) -> pd.DataFrame:
        edges, found = np.linspace(*self._range(column), VALUE_BINS + 1), []
        for kind, series in ((False, "wrong"), (True, "right")):
            if (count := self.by_value[column, kind]).any():
                bins = {"low": edges[:-1], "high": edges[1:], "count": count, "share": count / count.sum()}
                found.append(pd.DataFrame(vars(contender) | {"series": series} | bins))
        return pd.concat(found, ignore_index=True)
