from __future__ import annotations

import pytest

from jobs.slurm.job_ids import indices


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("13", ("13", (None,))),
        ("13_0", ("13", (0,))),
        ("13_[4-9%2]", ("13", (4, 5, 6, 7, 8, 9))),
        ("13_[1,4-6,20]", ("13", (1, 4, 5, 6, 20))),
        ("13_[0-8:4]", ("13", (0, 4, 8))),
        ("13_[7]", ("13", (7,))),
        ("67108877_[0-1%1]", ("67108877", (0, 1))),  # of a federation: the cluster is in the upper bits
        ("13+1", ("13", (None,))),  # a component of a heterogeneous job
    ],
)
def test_the_elements_that_an_id_means(text: str, expected: tuple[str, tuple[int | None, ...]]) -> None:
    assert indices(text) == expected


@pytest.mark.parametrize(
    "text", ["", "13.batch", "13_4.0", "13_[4-", "13_[4..6]", "x13", "13_[1-2,...]", "13_[0-99999999999]"]
)
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(ValueError, match="is no job id"):
        indices(text)
