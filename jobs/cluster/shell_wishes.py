"""What a user's shell asks sbatch for, such as `SBATCH_ACCOUNT`: kept where the config leaves it open."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jobs.cluster.cluster_config import Cluster

_KEYS = ("account", "partition", "qos", "constraint")
_OPTIONS = ("reservation", "wckey")


def with_wishes(cluster: Cluster, environment: Mapping[str, str] = os.environ) -> Cluster:
    """The cluster with them, outside a job: inside, these variables are what that job was asked for."""
    if cluster.kind != "slurm" or "SLURM_JOB_ID" in environment:
        return cluster
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


def _names(key: str) -> tuple[str, str]:
    return f"SBATCH_{key.upper()}", f"SLURM_{key.upper()}"
