"""What sbatch is asked for: a cluster config as keyword arguments of `SlurmExecutor.update_parameters`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs.cluster.cluster_config import Cluster, FollowUp
from jobs.cluster.config_keys import literal

_NO_LIMIT = 1_000_000  # submitit would let 256 elements run at once
_SMALL_MINUTES = 30
_SMALL_MEMORY = 2048  # MiB, where the config says how much training takes
# Options that are for training only, by their beginnings.
_TRAINING = (
    "contiguous", "core-spec", "cpus-per-gpu", "exclusive", "gpu", "mem-per-gpu", "mincpus", "ntasks",
    "switches", "thread-spec", "time-min", "tres",
)  # fmt: skip
REPLACED = "Slurm does not take %, backslashes and line breaks in the path of a log as they are"


def parameters(
    cluster: Cluster,
    *,
    name: str,
    memory: int | None = None,
    minutes: int | None = None,
    parallel: int | None = None,
    without: Sequence[str] = (),
) -> dict[str, Any]:
    """Of an array of training jobs.

    Args:
        memory: MiB a node, in place of the config's, for a retry.
        minutes: the time limit, likewise.
        parallel: elements that may run at once, in place of the config's `array_parallelism`.
        without: nodes that are not wanted, beside those that the config's `sbatch:` excludes.
    """
    common = _common(cluster, name)
    memory = memory or cluster.memory
    return {
        **common,
        "additional_parameters": _excluding(common["additional_parameters"], without),
        **_given(
            constraint=cluster.constraint,
            gres=cluster.gres,
            gpus_per_task=cluster.gpus_per_task or None,
            mem=f"{memory}M" if memory else None,
        ),
        "time": minutes or cluster.time,
        "nodes": cluster.nodes,
        "ntasks_per_node": cluster.tasks_per_node,
        "cpus_per_task": cluster.threads,
        "signal_delay_s": cluster.signal_seconds,
        "array_parallelism": parallel or cluster.array_parallelism or _NO_LIMIT,
    }


def small(
    cluster: Cluster,
    *,
    name: str,
    minutes: int | None = None,
    after: Sequence[str] = (),
    begin: str | None = None,
    without: Sequence[str] = (),
) -> dict[str, Any]:
    """Of one small job, which starts when the jobs `after` have ended, however they ended.

    It asks as the cluster config does, but for what is for training only (its constraint is, too), and for
    what `follow_up` says otherwise. `minutes` is its time limit, of `small_minutes` unless given. `begin` is
    when it may start at the earliest, in Slurm's words; `without` are nodes that are not wanted where it goes
    to the partition of the config.
    """
    own = cluster.follow_up or FollowUp()
    begins = {"begin": begin} if begin else {}
    options = {key: value for key, value in (cluster.sbatch or {}).items() if not key.startswith(_TRAINING)}
    if own.memory is not None:
        options.pop("mem-per-cpu", None)
        memory = own.memory
    else:
        memory = _SMALL_MEMORY if cluster.memory and "mem-per-cpu" not in options else 0
    return {
        **_common(cluster, name),
        **_given(
            partition=own.partition,
            account=own.account,
            qos=own.qos,
            dependency=f"afterany:{':'.join(after)}" if after else None,
            mem=f"{memory}M" if memory else None,
            constraint=own.constraint,
            gres=",".join(filter(None, [f"gpu:{own.gpus}" if own.gpus else "", own.gres])) or None,
        ),
        "time": minutes or small_minutes(cluster),
        "nodes": 1,
        "ntasks_per_node": 1,
        "cpus_per_task": own.cpus,
        "use_srun": False,
        "additional_parameters": _excluding(
            {"requeue": True, **options, **begins, **(own.sbatch or {})}, () if own.partition else without
        ),
    }


def small_minutes(cluster: Cluster, most: int | None = None) -> int:
    """The time limit of the small job where `most` minutes are allowed: it does not grow with the training,
    and may have to wait for a controller that is away.
    """
    own = cluster.follow_up or FollowUp()
    return own.time or min(_SMALL_MINUTES, most or _SMALL_MINUTES)


def script(command: str, folder: str, parameters: dict[str, Any]) -> str:
    """The text of the job that submitit would submit for `parameters`, not as an array."""
    from submitit.slurm.slurm import _make_sbatch_string

    return str(_make_sbatch_string(command=command, folder=folder, **parameters))


def takes_logs(folder: Path) -> bool:
    """Whether Slurm takes a folder of logs for what it is."""
    return literal(str(folder)) and "%" not in str(folder)


def _common(cluster: Cluster, name: str) -> dict[str, Any]:
    return {
        **_given(
            partition=cluster.partition,
            account=cluster.account,
            qos=cluster.qos,
            setup=list(cluster.setup) or None,
        ),
        "job_name": name,
        "stderr_to_stdout": True,
        "additional_parameters": {"requeue": True, **(cluster.sbatch or {})},
    }


def _excluding(options: Mapping[str, Any], nodes: Sequence[str]) -> dict[str, Any]:
    named = [str(options.get("exclude", "")), *nodes]
    return {**options, **({"exclude": ",".join(filter(None, named))} if nodes else {})}


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
