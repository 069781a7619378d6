"""A cluster config as the options of submitit's `SlurmExecutor`, and as the text of a job's script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.cluster import Cluster

_NO_LIMIT = 1_000_000


def parameters(cluster: Cluster, job_name: str, **changes: Any) -> dict[str, Any]:
    """What `SlurmExecutor.update_parameters` takes; `changes` (`time`, `mem`, …) win."""
    asked = {
        "partition": cluster.partition,
        "account": cluster.account,
        "qos": cluster.qos,
        "constraint": cluster.constraint,
        "gres": cluster.gres,
        "mem": f"{cluster.memory}M" if cluster.memory else None,
        "gpus_per_task": cluster.gpus_per_task or None,
        "setup": list(cluster.setup) or None,
        "additional_parameters": _options(cluster.sbatch or {}),
    }
    return {
        **{key: value for key, value in asked.items() if value is not None},
        "job_name": job_name,
        "time": cluster.time,
        "nodes": cluster.nodes,
        "ntasks_per_node": cluster.tasks_per_node,
        "cpus_per_task": cluster.threads,
        "signal_delay_s": cluster.signal_seconds,
        "array_parallelism": cluster.array_parallelism or _NO_LIMIT,
        **changes,
    }


def script(cluster: Cluster, job_name: str, command: str, folder: str, **changes: Any) -> str:
    """The job's script that submitit would submit, without an array; `command` runs in each task."""
    from submitit.slurm.slurm import _make_sbatch_string

    return str(
        _make_sbatch_string(command=command, folder=folder, **parameters(cluster, job_name, **changes))
    )


def _options(options: Mapping[str, Any]) -> dict[str, Any] | None:
    return dict(options) or None
