"""What a user's shell asks sbatch for, such as `SBATCH_ACCOUNT`: kept where the config leaves it open."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jobs.cluster.cluster_config import Cluster
from regularize.errors import UserError

_KEYS = ("account", "partition", "qos", "constraint")
_OPTIONS = ("reservation", "wckey")
_CLUSTERS = "SBATCH_CLUSTERS"


def with_wishes(cluster: Cluster, environment: Mapping[str, str] = os.environ) -> Cluster:
    """The cluster with them, outside a job: inside, these variables are what that job was asked for.

    Raises:
        UserError: sbatch is asked for another cluster than the programs that look after its jobs.
    """
    if not _counts(cluster, environment):
        return cluster
    if (elsewhere := environment.get(_CLUSTERS)) and elsewhere != environment.get("SLURM_CLUSTERS"):
        raise UserError(
            f"{_CLUSTERS} is {elsewhere!r} in this shell, but jobs there would not be found again: set "
            "SLURM_CLUSTERS=NAME in its place"
        )
    for key in (*_KEYS, *_OPTIONS):
        variable = next((name for name in _names(key) if environment.get(name)), "")
        given = getattr(cluster, key) if key in _KEYS else (cluster.sbatch or {}).get(key)
        if not variable or given:
            continue
        value = environment[variable]
        changed: dict[str, Any] = {key: value}
        if key in _OPTIONS:
            changed = {"sbatch": {**(cluster.sbatch or {}), key: value}}
        cluster = replace(cluster, **changed, wished=(*cluster.wished, f"{key}: {value} (by ${variable})"))
    return cluster


def notes(cluster: Cluster, environment: Mapping[str, str] = os.environ) -> list[str]:
    """What to say of them: which the cluster has taken, and which no key of a config stands for."""
    taken = [f"{wish}, as the cluster config leaves it open" for wish in cluster.wished]
    if not _counts(cluster, environment):
        return taken
    known = {_CLUSTERS, *(name for key in (*_KEYS, *_OPTIONS) for name in _names(key))}
    dropped = sorted(
        name for name in environment if name.startswith("SBATCH_") and environment[name] and name not in known
    )
    if not dropped:
        return taken
    return [
        *taken,
        f"{', '.join(f'${name}' for name in dropped)}: not taken over from this shell; the cluster config "
        "says what is asked for (`time`, `memory`, `gres`, `sbatch`, …)",
    ]


def _counts(cluster: Cluster, environment: Mapping[str, str]) -> bool:
    """Whether the shell's variables are wishes of its user for this cluster's jobs."""
    return cluster.kind == "slurm" and not cluster.host and "SLURM_JOB_ID" not in environment


def _names(key: str) -> tuple[str, str]:
    return f"SBATCH_{key.upper()}", f"SLURM_{key.upper()}"
