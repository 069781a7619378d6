from __future__ import annotations

import math

import pandas as pd
import pytest

from analysis.statistics.contenders import Contender
from analysis.statistics.corruption_error import MEAN, corruption_errors

NONE = Contender("none", "")


def rows(**accuracies: dict[str, list[list[float]]]) -> pd.DataFrame:
    """By regularizer and corruption, for each seed the accuracies at severities 0, 1, 2."""
    return pd.DataFrame(
        {
            "regularizer": regularizer,
            "strength": "" if regularizer == "none" else "0.1",
            "seed": seed,
            "corruption": corruption,
            "severity": severity,
            "accuracy": accuracy,
        }
        for regularizer, by_corruption in accuracies.items()
        for corruption, seeds in by_corruption.items()
        for seed, severities in enumerate(seeds)
        for severity, accuracy in enumerate(severities)
    )


def relative(frame: pd.DataFrame, regularizer: str, corruption: str) -> list[float]:
    mine = (frame["regularizer"] == regularizer) & (frame["corruption"] == corruption)
    return frame.loc[mine].sort_values("seed")["relative"].tolist()


def test_errors_of_all_severities_over_the_mean_of_the_baseline_s() -> None:
    found = corruption_errors(
        rows(
            none={"fog": [[1, 0.8, 0.6], [1, 0.6, 0.4]], "snow": [[1, 0.9, 0.9], [1, 0.9, 0.9]]},
            l2={"fog": [[0.9, 0.8, 0.8], [0.9, 0.7, 0.5]], "snow": [[0.9, 0.8, 0.8], [0.9, 0.95, 0.95]]},
        ),
        NONE,
    )
    # The baseline's errors: fog 0.6 and 1.0, mean 0.8; snow 0.2.
    assert relative(found, "l2", "fog") == pytest.approx([100 * 0.4 / 0.8, 100 * 0.8 / 0.8])
    assert relative(found, "l2", "snow") == pytest.approx([200, 50])
    assert relative(found, "l2", MEAN) == pytest.approx([125, 75])
    assert relative(found, "none", "fog") == pytest.approx([75, 125])
    assert sum(relative(found, "none", MEAN)) / 2 == pytest.approx(100)


def test_what_is_published_beside_those_that_count_is_shown_and_not_counted() -> None:
    given = {"fog": [[1, 0.5]], "spatter": [[1, 0.9]]}
    found = corruption_errors(rows(none=given, l2=given | {"spatter": [[1, 0.1]]}), NONE)
    assert relative(found, "l2", "spatter") == pytest.approx([900])
    assert relative(found, "l2", MEAN) == pytest.approx([100])


def test_a_corruption_without_an_error_of_the_baseline_has_no_ratio() -> None:
    found = corruption_errors(
        rows(none={"fog": [[1, 0.5]], "snow": [[1, 1.0]]}, l2={"fog": [[1, 0.75]], "snow": [[1, 0.9]]}), NONE
    )
    assert math.isnan(relative(found, "l2", "snow")[0])
    assert relative(found, "l2", MEAN) == pytest.approx([50])
