"""What `make bench` says of benchmarks that fail."""

from __future__ import annotations

import sys

import pytest

from tests.benchmarks.__main__ import some_failed
from tests.benchmarks.growth_table import markdown, read


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


def test_growth_is_a_table_by_command_and_number_of_runs() -> None:
    printed = """
100 runs                CPU s  wall s     MB   trips  open  stat  list  rename  calls of Slurm
submit                      2.0     2.8    226    1739    588    540      7    604  2 sbatch, 3 scontrol
status, all done, 5 ms      0.5     1.5     91     174     30    122     22      0  1 sacct  missed
249 files

1,000 runs                CPU s  wall s     MB   trips  open  stat  list  rename  calls of Slurm
submit                      1.8     2.5   1234    1742    589    540      7    606  2 sbatch, 3 scontrol
685 files
"""
    assert list(markdown(read(printed.splitlines()))) == [
        "| processor and wall seconds | 100 | 1,000 |",
        "|---|---:|---:|",
        "| submit | 2.0, 2.8 | 1.8, 2.5 |",
        "| status, all done, 5 ms | 0.5, 1.5 |  |",
        "",
        "| MB, round trips | 100 | 1,000 |",
        "|---|---:|---:|",
        "| submit | 226, 1,739 | 1,234, 1,742 |",
        "| files in the store | 249 | 685 |",
    ]
