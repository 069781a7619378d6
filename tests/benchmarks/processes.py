"""What processes take: seconds of a command, memory of a process and of those that it has begun."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

PROGRAM = "import sys; from jobs.commands.cli import main; sys.exit(main())"


def timed(folder: Path, environment: Mapping[str, str], *arguments: str) -> tuple[float, str]:
    """Seconds that `regularize ARGUMENTS` takes in `folder`, the start of Python included; what it says."""
    began = time.monotonic()
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return time.monotonic() - began, done.stdout


def children(process: int | str = "self") -> list[str]:
    """The processes that a process has begun and that have not ended."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [pid for path in tasks for pid in path.read_text().split()]


def peak_megabytes(process: int | str = "self") -> float:
    """Not `ru_maxrss`, which remembers the parent of a process."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
