"""Accuracies under disturbances: intervals over seeds and over examples."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.figures.parts.bands import accuracies, over
from analysis.statistics.estimates import crossed, over_seeds

SEEDS, COPIES, EXAMPLES = 12, 3, 60


def rows() -> tuple[pd.DataFrame, np.ndarray]:
    """Of one contender, with which examples were right, [S, C, N]."""
    chance = np.random.default_rng(16)
    hard = chance.uniform(0.2, 0.95, EXAMPLES)  # examples differ far more than seeds
    right = chance.random((SEEDS, COPIES, EXAMPLES)) < hard
    found = [
        {"who": "l2", "copy": copy, "seed": seed, "accuracy": right[seed, copy].mean(), "correct": text}
        for seed in range(SEEDS)
        for copy in range(COPIES)
        for text in ["".join("01"[int(each)] for each in right[seed, copy])]
    ]
    return pd.DataFrame(found), right


@pytest.mark.parametrize("together", [False, True])
def test_intervals_are_over_seeds_and_examples(together: bool) -> None:
    frame, right = rows()
    data = accuracies(frame, ("who",) if together else ("who", "copy"))
    values = [right.mean(1)] if together else [right[:, copy] for copy in range(COPIES)]
    assert len(data) == len(values)
    for row, each in zip(data.to_dict("records"), values, strict=True):
        wanted = crossed(each)
        assert (row["n"], row["mean"]) == (SEEDS, pytest.approx(100 * wanted.mean))
        half = wanted.interval().half
        assert (row["high"] - row["low"]) / 200 == pytest.approx(half, rel=0.2)  # on another scale
        assert half > 1.3 * over_seeds(each.mean(1)).interval().half


def test_of_older_tables_they_are_over_seeds_alone() -> None:
    frame, right = rows()
    (row,) = accuracies(frame.assign(correct=None), ("who",)).to_dict("records")
    assert (row["high"] - row["low"]) / 200 == pytest.approx(
        over_seeds(right.mean((1, 2))).interval().half, rel=0.2
    )


@pytest.mark.parametrize("lost", [None, "", "101"])
def test_of_a_table_of_which_some_is_not_known_all_are_over_seeds(lost: str | None) -> None:
    """As its caption says: one row lacks its examples, or has others."""
    frame, _ = rows()
    assert over(frame) == f"seeds and {EXAMPLES} images"
    frame.loc[0, "correct"] = lost
    assert over(frame) == "seeds"
    expected = accuracies(frame.assign(correct=None), ("who", "copy"))
    pd.testing.assert_frame_equal(accuracies(frame, ("who", "copy")), expected)
