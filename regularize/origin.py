"""Which commit the code that runs is of."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

from regularize.whole_files import read_json

ORIGIN = "snapshot.json"
"""Beside the packages, where the code is a copy of a checkout: which commit it was."""


@cache
def git_commit() -> str:
    """The commit of the code that runs, `` where it is neither in a checkout nor a copy of one."""
    folder = Path(__file__).parent
    with suppress(OSError, ValueError, KeyError):
        return str(read_json(folder.parent / ORIGIN)["commit"])
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=10, check=False
        )
        return done.stdout.strip()
    return ""
