from __future__ import annotations

import io
from collections import Counter

import pytest
from rich.console import Console

from jobs.planning.packing import Pack
from jobs.status import progress
from jobs.status.overview import Overview
from jobs.status.progress import display, seconds_left, summary
from jobs.store.failed_packs import Failure
from jobs.store.pack_status import Packs
from regularize.config import pack_id
from tests.jobs.stores import status


def overview(progress: float = 0.5, failures: int = 0, **counts: int) -> Overview:
    failed = [
        Failure(pack_id=str(i), runs=2, message="ValueError: [b]", path="e.txt") for i in range(failures)
    ]
    return Overview(phases={"tune": Counter(counts)}, cells={}, progress=progress, failures=failed)


def packs(**steps: int) -> Packs:
    return Packs({pack_id([i]): status([i], "running", step=step) for i, step in steps.items()})


def test_the_summary_counts_diverged_runs_as_done() -> None:
    found = summary(overview(done=3, diverged=1, running=2, planned=4))
    assert found == "4 of 10 runs done, 2 running, 1 diverged"


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        ({}, None),
        ({"a": 50, "c": 50}, 30.0),  # half of 10 + 10 in 10 s on two tasks; then 5 + 10 on the first
        ({"a": 100, "b": 0, "c": 100}, 10.0),
        ({"a": 100, "b": 100, "c": 100}, 0.0),
    ],
)
def test_time_left_is_that_of_the_slowest_task(steps: dict[str, int], left: float | None) -> None:
    slices = [[Pack(runs=("a",), whole=10), Pack(runs=("b",), whole=10)], [Pack(runs=("c",), whole=10)]]
    found = seconds_left(slices, packs(**steps), elapsed=10)
    assert found == (None if left is None else pytest.approx(left))


def test_what_was_trained_before_says_nothing_about_the_speed() -> None:
    slices = [[Pack(runs=("a",), whole=10, share=0.5)]]
    assert seconds_left(slices, packs(a=50), elapsed=10) is None
    assert seconds_left(slices, packs(a=75), elapsed=10) == pytest.approx(10)


def test_rounding_is_no_speed() -> None:
    slices = [[Pack(runs=("a",), whole=10, share=0.5 - 1e-12)]]
    assert seconds_left(slices, packs(a=50), elapsed=10) is None


def test_elsewhere_a_line_comes_now_and_then_and_a_failure_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    with display(Console(file=out, width=200)) as update:
        update(overview(done=1, planned=1), None)
        update(overview(failures=1, done=1, failed=1), None)
        update(overview(failures=1, done=1, failed=1), None)
    assert out.getvalue() == "2 runs of pack 0 failed: ValueError: [b] (e.txt)\n"
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    with display(Console(file=out, width=200)) as update:
        update(overview(done=1, planned=1), 90.0)
    assert out.getvalue().endswith("50%: 1 of 2 runs done, about 2 min left\n")


def test_a_terminal_gets_a_bar_and_the_failures_above_it() -> None:
    out = io.StringIO()
    with display(Console(file=out, width=120, force_terminal=True)) as update:
        update(overview(failures=1, done=1, failed=1), 90.0)
    text = out.getvalue()
    assert "50%" in text
    assert "ValueError: [b] (e.txt)" in text
