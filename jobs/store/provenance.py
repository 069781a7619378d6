"""Where results come from: code, versions, host, command and time of every submission."""

from __future__ import annotations

import hashlib
import platform
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import regularize
from regularize.cores import cores
from regularize.origin import git
from regularize.store import ORIGIN, Store, git_commit, read_json, write_json, write_whole
from regularize.whole_files import set_aside, warn

UNCOMMITTED = "uncommitted.diff"
"""Beside `ORIGIN`, where the code was not as committed."""

OWN_FILES = ("analysis", "cluster_configs", "jobs", "regularize", "pyproject.toml", "constraints.txt")
"""Of a checkout, what is this package; nothing else that lies there is anybody's to know."""

LIBRARIES = ("torch", "numpy", "pandas", "pyarrow", "scipy", "scikit-learn", "submitit")


def record(store: Store, overrides: Sequence[str], jobs: Sequence[str] = ()) -> None:
    """Append this submission, by the Slurm `jobs` of these ids, to the store's `provenance.json`.

    What differs from the commit is kept beside it, as `<hash>.diff`. A damaged file is set aside.
    """
    before = _before(store)
    diff = uncommitted()
    name = hashlib.sha256(diff).hexdigest()[:16] if diff else ""
    if name and not store.diff(name).exists():
        write_whole(store.diff(name), lambda path: path.write_bytes(diff))
    found = submission(overrides) | {"uncommitted": name, "slurm_jobs": list(jobs)}
    write_json(store.provenance, {"submissions": [*before, found]})


def _before(store: Store) -> list[Any]:
    try:
        return list(read_json(store.provenance)["submissions"])
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        set_aside(store.provenance)
        warn(f"{store.provenance} was damaged ({error}): it is set aside, and a new one begins with this one")
        return []


def submission(overrides: Sequence[str]) -> dict[str, Any]:
    """Who submits what, in which environment: plain values."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "set": list(overrides),
        "package": regularize.__version__,
        "git_commit": git_commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "cores": cores(),
        "libraries": {name: library_version(name) for name in LIBRARIES},
    }


def library_version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def uncommitted() -> bytes:
    """What differs from the commit, nothing where there is none."""
    root = Path(regularize.__file__).parent.parent
    if (root / ORIGIN).exists():
        return (root / UNCOMMITTED).read_bytes() if (root / UNCOMMITTED).exists() else b""
    return git("diff", "--no-ext-diff", "--no-textconv", "HEAD", "--", *OWN_FILES)
