"""All benchmarks, one after the other: `python -m tests.benchmarks`, or `make bench`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    codes = []
    for script in sorted(Path(__file__).parent.glob("bench_*.py")):
        print(f"\n{script.stem}", flush=True)
        command = [sys.executable, "-m", f"tests.benchmarks.{script.stem}"]
        codes.append(subprocess.run(command, check=False).returncode)
    sys.exit(max(codes))
