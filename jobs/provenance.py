"""Where results come from: code, versions, host, command and time of every submission."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import regularize
from regularize.store import Store, git_commit, read_json, write_json

LIBRARIES = ("torch", "numpy", "pandas", "pyarrow", "scipy", "scikit-learn", "submitit")


def record(store: Store, overrides: Sequence[str]) -> None:
    """Append this submission to the store's `provenance.json`."""
    before: list[Any] = []
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        before = list(read_json(store.provenance)["submissions"])
    write_json(store.provenance, {"submissions": [*before, submission(overrides)]})


def submission(overrides: Sequence[str]) -> dict[str, Any]:
    """Plain values; `uncommitted` is a hash of what differs from the commit, `` if nothing does."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "set": list(overrides),
        "package": regularize.__version__,
        "git_commit": git_commit(),
        "uncommitted": _uncommitted(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "cores": len(os.sched_getaffinity(0)),
        "libraries": {name: library_version(name) for name in LIBRARIES},
    }


def library_version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def _uncommitted() -> str:
    if not git_commit():
        return ""
    folder = Path(regularize.__file__).parent.parent
    command = ["git", "-C", str(folder), "diff", "HEAD"]
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, timeout=20, check=False)
        if done.stdout:
            return hashlib.sha256(done.stdout).hexdigest()[:16]
    return ""
