"""What float32 rounding makes of packs: other runs bit by bit, the same distribution of results."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats

from regularize.store import PackPaths
from regularize.train_pack import train_pack
from tests.regularize.cases import CASES, run

SEEDS, STEPS = range(24), 68  # 2 epochs


def accuracies(terms, size, folder):
    """Test accuracies by seed, trained in packs of `size`."""
    found = []
    for first in SEEDS[::size]:
        runs = [run(terms, seed, steps=STEPS) for seed in SEEDS[first : first + size]]
        paths = PackPaths(folder / f"{size}-{first}")
        train_pack(runs, paths)
        rows = {row["run_id"]: row["test_accuracy"] for row in pq.read_table(paths.results).to_pylist()}
        found += [rows[config.run_id] for config in runs]
    return np.array(found)


@pytest.mark.parametrize("case", ["none", "l2_dropout_jacobian"])
def test_the_distribution_of_accuracies_does_not_depend_on_the_size_of_packs(case, tmp_path):
    terms = CASES[case][0]
    alone, packed = (accuracies(terms, size, tmp_path) for size in (1, 8))
    assert alone.std() > 0.005, "there is a spread to compare"
    assert stats.ks_2samp(alone, packed).pvalue > 0.05
    error = np.sqrt((alone.var(ddof=1) + packed.var(ddof=1)) / len(SEEDS))
    assert abs(alone.mean() - packed.mean()) < 2 * error
