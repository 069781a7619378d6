"""What `make bench` says of benchmarks that fail."""

from __future__ import annotations

import sys

import pytest

from tests.benchmarks.__main__ import some_failed


@pytest.mark.parametrize(
    ("last", "failed"),
    [
        ("pass", False),
        ("raise SystemExit(1)", True),
        ("raise ValueError", True),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", True),  # as for want of memory
    ],
)
def test_a_benchmark_that_is_killed_has_failed(last: str, failed: bool) -> None:
    commands = [[sys.executable, "-c", program] for program in ("pass", last, "pass")]
    assert some_failed(commands) == failed
