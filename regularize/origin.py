"""Which commit the code that runs is of."""

from __future__ import annotations

import os
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
    return git("rev-parse", "HEAD").decode().strip()


def git(*words: str) -> bytes:
    """What git says of this package's own checkout; nothing where it is in none.

    A folder of packages may lie in somebody's repository, whose commits and changes are not ours.
    """
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return b""
    others = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}  # of a hook
    with suppress(OSError, subprocess.TimeoutExpired):
        command = ["git", "-C", str(root), *words]
        return subprocess.run(command, capture_output=True, timeout=20, check=False, env=others).stdout
    return b""
