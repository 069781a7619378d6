"""Which GPUs of this machine workers train on. No torch: `plan` asks, too.

A worker trains on one GPU, so it is shown one. Names are as CUDA takes them in `CUDA_VISIBLE_DEVICES`:
numbers, or UUIDs of GPUs or of slices of them (`GPU-…`, `MIG-…`). Who has set that variable, a person or a
Slurm that this runs within, has said which are ours.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from jobs.cluster.cluster_config import Cluster
from jobs.support.readable_numbers import plural
from regularize.errors import UserError

VISIBLE = "CUDA_VISIBLE_DEVICES"
DEVICES = Path("/dev")
_DEVICE = re.compile(r"nvidia(\d+)")
_NAME = re.compile(r"\d+|(GPU|MIG)-.*", re.ASCII)


def shown(environ: Mapping[str, str]) -> list[str] | None:
    """Those that the environment names; None where it names none, and all may be used."""
    if VISIBLE not in environ:
        return None
    names = [name.strip() for name in environ[VISIBLE].split(",")]
    # As CUDA reads it: from what names none on, be it `-1` or Slurm's `NoDevFiles`, nothing counts.
    end = next((at for at, name in enumerate(names) if not _NAME.fullmatch(name)), len(names))
    return list(dict.fromkeys(names[:end]))


def present(environ: Mapping[str, str], devices: Path = DEVICES) -> int:
    """How many GPUs this machine has for us: those that the environment shows, else those with a device."""
    named = shown(environ)
    if named is not None:
        return len(named)
    return sum(bool(_DEVICE.fullmatch(path.name)) for path in devices.glob("nvidia*"))


def for_workers(cluster: Cluster, environ: Mapping[str, str]) -> list[str]:
    """The names of the GPUs that workers of a local cluster share.

    Raises:
        UserError: the environment shows fewer than are asked for.
    """
    named = shown(environ)
    if named is None:
        return [str(number) for number in range(cluster.gpus)]
    if len(named) < cluster.gpus:
        raise UserError(
            f"gpus is {cluster.gpus}, but {VISIBLE}={environ[VISIBLE]} shows {plural(len(named), 'GPU')}; "
            f"ask for fewer, or let it show more"
        )
    return named[: cluster.gpus]


def least_used(names: Collection[str], in_use: Collection[str]) -> str:
    """The GPU that the fewest workers train on, the first of several; empty where there is none."""
    workers = Counter(in_use)
    return min(names, key=lambda name: workers[name], default="")


def notes(cluster: Cluster, environ: Mapping[str, str], devices: Path = DEVICES) -> Iterator[str]:
    """What a person should know before a local cluster trains: GPUs that lie idle, or are not there."""
    there = present(environ, devices)
    if cluster.gpus > there:
        then = "train on the CPU" if cluster.allow_cpu else "end with an error"
        yield f"gpus is {cluster.gpus}, but {there} are seen here: workers without one {then}"
    elif not cluster.gpus and there:
        are = "GPU here is" if there == 1 else "GPUs here are"
        yield f"{there} {are} not used; `gpus: {there}` in the cluster config uses {_them(there)}"
    elif cluster.gpus > cluster.tasks:
        yield f"a task trains on one GPU: `tasks: {cluster.gpus}` uses all {cluster.gpus}"


def _them(count: int) -> str:
    return "it" if count == 1 else "them"
