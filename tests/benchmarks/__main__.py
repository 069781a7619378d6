"""All benchmarks, one after the other: `python -m tests.benchmarks`, or `make bench`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def some_failed(commands: Sequence[Sequence[str]]) -> bool:
    """Run all of them; whether one missed a limit, raised, or was killed (then its code is negative)."""
    codes = []
    for command in commands:
        print(f"\n{command[-1].rpartition('.')[2]}", flush=True)
        codes.append(subprocess.run(command, check=False).returncode)
    return any(codes)


if __name__ == "__main__":
    scripts = sorted(Path(__file__).parent.glob("bench_*.py"))
    sys.exit(some_failed([[sys.executable, "-m", f"tests.benchmarks.{script.stem}"] for script in scripts]))
