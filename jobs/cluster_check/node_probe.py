"""What a compute node has: found out there by a job that comes the whole way of a worker.

Its folder holds what the submitting host wrote (`here.txt`), and is given `there.json`.
"""

from __future__ import annotations

import os
import platform
import socket
import sys
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.cluster_check import step_probe
from jobs.cluster_check.rank_probe import meet
from regularize.errors import UserError
from regularize.fused import build

HERE, THERE = "here.txt", "there.json"
# Exit codes: the folder's contents are not what they are on the submitting host; it cannot be written.
UNSEEN, UNWRITABLE = 3, 4


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Give it to submitit; `follow_up` is the script of what a job is to submit, empty without one.

    `networks` are those of a pack that all tasks of the job train together; 0 where each has its own. `tries`
    are what `regularize.pack_rates` is to try.
    """

    folder: Path
    data_root: Path | None
    scratch: str = ""
    follow_up: str = ""
    networks: int = 0
    tries: Mapping[str, Any] | None = None

    def __call__(self) -> None:
        sys.exit(self._code())

    def _code(self) -> int:
        from regularize.store import write_json

        if not (self.folder / HERE).exists():
            return UNSEEN
        ranks = meet(self.folder, self.networks) if self.networks else {}
        if int(os.environ.get("SLURM_PROCID", "0")):
            return 0
        found = facts(self.data_root, self.scratch) | {
            "submits": _submits(self.follow_up),
            "ranks": ranks,
            "step": step_probe.measured(),
            "packs": _packs(self.tries),
        }
        try:
            write_json(self.folder / THERE, found, make_folder=False)
        except UserError as error:
            print(error, file=sys.stderr)
            return UNWRITABLE
        return 0


@dataclass(frozen=True, kw_only=True)
class FollowUpProbe:
    """Give it to submitit where the follow-up runs otherwise than what trains; it is to submit `script`."""

    folder: Path
    script: str

    def __call__(self) -> None:
        from regularize.store import write_json

        found = {"host": socket.gethostname(), "submits": _submits(self.script)}
        write_json(self.folder / THERE, found, make_folder=False)


def facts(data_root: Path | None, scratch: str = "") -> dict[str, Any]:
    """Versions, GPUs, kernels, data sets and scratch of this host, as plain values."""
    from jobs.store.provenance import LIBRARIES, library_version
    from regularize import __version__

    return {
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "executable": sys.executable,
        "versions": {"regularize-sweeps": __version__} | {name: library_version(name) for name in LIBRARIES},
        "gpus": _gpus(),
        "kernels": _kernels(),
        "kernel_cache": str(build.cache_folder()),
        "data": _data(data_root),
        "scratch": _scratch(scratch),
    }


def _packs(tries: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    from regularize.pack_rates import answers

    return list(answers(tries)) if tries else []


def _submits(script: str) -> str:
    """Why no job can be submitted from here; empty if one can."""
    from jobs.slurm.client import Slurm

    if not script:
        return ""
    try:
        done = Slurm(patience=20.0).test_only(script)
    except UserError as error:
        return str(error)
    return done.said if done.code else ""


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()


def _kernels() -> str:
    """What will compute LeNet's stages there; built now, unless it was before."""
    from regularize import fused

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says so itself
        return fused.chosen().name


def _data(root: Path | None) -> dict[str, Any]:
    from jobs.cluster.data_sets import present
    from regularize.data.registry import data_root

    folder = data_root(root)
    return {
        "folder": str(folder),
        "there": folder.is_dir(),
        "sets": present(folder) if folder.is_dir() else [],
    }


def _scratch(folder: str) -> str:
    """Why nothing can be written there; empty if it can, or there is none."""
    if not folder:
        return ""
    path = folder
    try:
        path = os.path.expandvars(Path(folder).expanduser())
        with tempfile.TemporaryFile(dir=path):
            return ""
    except RuntimeError:
        return f"{folder}: this user has no home folder there"
    except OSError as error:
        return f"{path}: {error.strerror}"
