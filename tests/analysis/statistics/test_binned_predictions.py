"""Numbers of predictions, against all examples at once. Costs 3 s of a CPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.special import softmax
from scipy.stats import entropy
from sklearn.metrics import roc_auc_score

from analysis.figures.draw_figures import Look, draw_all
from analysis.statistics.binned_predictions import BinnedPredictions, binned
from analysis.statistics.contenders import comparisons
from analysis.statistics.strength_selection import select
from analysis.tables import kept_predictions
from analysis.tables.collect import collect
from analysis.tables.store_tables import Tables
from regularize.store import PREDICTIONS, Store, read_table, write_table

SEEDS, EXAMPLES, CLASSES = 3, 200, 10
KEYS = ["regularizer", "strength"]


@pytest.fixture
def store(make_store: Callable[..., Store]) -> Store:
    """With predictions of every kind in the packs, in no order."""
    made = make_store(
        strengths={"none": [""], "l2": ["0.1", "0.2"], "dropout": ["0.5"]},
        report=range(1000, 1000 + SEEDS),
        epochs=2,
        pack_runs=2,
        diverged=[("mnist", "l2", "0.2", 1001)],
    )
    generator = np.random.default_rng(0)
    for folder in made.packs.iterdir():
        path = folder / "predictions.parquet"
        rows: list[dict[str, Any]] = []
        for run_id in dict.fromkeys(read_table(path)["run_id"].to_pylist()):
            logits = generator.normal(0, 2, (EXAMPLES, CLASSES))
            labels = generator.integers(0, CLASSES, EXAMPLES)
            logits[np.arange(EXAMPLES), labels] += 3
            rows += [
                {"run_id": run_id, "example": e, "label": labels[e], "logits": logits[e].astype(np.float32)}
                for e in generator.permutation(EXAMPLES)
            ]
        write_table(path, rows, PREDICTIONS)
    collect(made)
    select(made)
    return made


def found(store: Store) -> BinnedPredictions:
    (comparison,) = comparisons(Tables(store))
    numbers = binned(comparison)
    assert numbers is not None
    return numbers


def examples(store: Store) -> pd.DataFrame:
    """A row an example, by other means: SciPy's, of all rows at once."""
    (comparison,) = comparisons(Tables(store))
    done = comparison.results.loc[comparison.results["state"] == "done", "run_id"].tolist()
    rows = Tables(store).read("predictions", run_id=done)
    p = softmax(np.stack(rows["logits"]).astype(float), axis=1)
    return rows[[*KEYS, "seed"]].assign(
        right=p.argmax(1) == rows["label"], confidence=p.max(1), entropy=entropy(p, axis=1)
    )


def test_numbers_of_runs_and_bins(store: Store) -> None:
    mine, rows = found(store), examples(store)
    assert mine.classes == CLASSES
    assert len(mine.runs) == 3 * SEEDS - 1, "but the one that diverged"
    runs = mine.runs.set_index([*KEYS, "seed"])
    for key, each in rows.groupby([*KEYS, "seed"]):
        run = runs.loc[key]
        assert run["auroc_confidence"] == pytest.approx(roc_auc_score(each["right"], each["confidence"]))
        assert run["auroc_entropy"] == pytest.approx(roc_auc_score(~each["right"], each["entropy"]))
        gap = (each["right"] - each["confidence"]).groupby(np.ceil(each["confidence"] * 15)).sum()
        assert run["ece"] == pytest.approx(100 * gap.abs().sum() / EXAMPLES)

    bins = rows.assign(bin=np.ceil(rows["confidence"] * 15).astype(int) - 1).groupby([*KEYS, "bin"])
    theirs = bins.agg(
        count=("right", "size"), confidence=("confidence", "mean"), accuracy=("right", "mean")
    ).reset_index()
    pd.testing.assert_frame_equal(mine.reliability[theirs.columns], theirs, check_dtype=False)

    for column, ends in (("confidence", (0.1, 1)), ("entropy", (0, np.log(CLASSES)))):
        shares = mine.shares[column].set_index([*KEYS, "series"])
        for (*key, right), each in rows.groupby([*KEYS, "right"]):
            shown = shares.loc[[(*key, "right" if right else "wrong")]]
            counts, edges = np.histogram(each[column], np.linspace(*ends, 21))
            assert shown["count"].tolist() == counts.tolist()
            assert shown["low"].tolist() == pytest.approx(edges[:-1])
            assert shown["share"].sum() == pytest.approx(1)


def test_its_digest_names_the_predictions(store: Store) -> None:
    first = found(store).digest
    assert found(store).digest == first
    (comparison,) = comparisons(Tables(store))
    pack = comparison.results["pack_id"].iloc[0]
    path = store.pack(pack).predictions
    rows = read_table(path).to_pylist()
    rows[0]["logits"][0] += 1
    write_table(path, rows, PREDICTIONS)
    assert found(store).digest != first


def test_a_report_reads_predictions_once(store: Store) -> None:
    """Three figures show them: each pack's file is read for the first alone, and by itself."""
    reads: Counter[Path] = Counter()

    def counted(path: Path, *rest: Any) -> pa.Table:
        reads[path] += 1
        return original(path, *rest)

    original = kept_predictions.rows_of
    names = ("confidence_distributions", "reliability", "entropy_distributions")
    with mock.patch.object(kept_predictions, "rows_of", counted):
        assert len(draw_all(store, names, look=Look(page=True)).paths) == len(names)
    (comparison,) = comparisons(Tables(store))
    done = comparison.results[comparison.results["state"] == "done"]
    assert reads == {store.pack(pack).predictions: 1 for pack in done["pack_id"]}
