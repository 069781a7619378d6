"""What Slurm says when it refuses a job, and what to do about it."""

from __future__ import annotations

_MAX_JOBS = "`--max-jobs N`, or `max_jobs:` in the cluster config, keeps to a limit on submitted jobs"
_MEMORY = (
    "lower `memory:`; `sinfo -o '%P %m'` shows the MiB of nodes; where it has 1, Slurm does not know: leave "
    "`memory:` out, or, if only the job that follows goes there, set `follow_up: {memory: none}`"
)
_TOO_MANY = "submitjob"  # AssocMaxSubmitJobLimit, AssocGrpSubmitJobsLimit, QOSMaxSubmitJobPerUserLimit …
# What sbatch says → what to do about it; the first that fits (an account's message names a partition too).
_HINTS = {
    _TOO_MANY: _MAX_JOBS,
    "mutually exclusive": "two options ask for the same: leave out `memory:`, or the one below `sbatch:`",
    "node configuration": "no node has that much, or too few have: lower nodes, cpus_per_task, "
    "tasks_per_node, memory or gpus_per_task; "
    "`sinfo -o '%P %D %c %m %G'` shows partitions, nodes, CPUs, MiB and GPUs; where it has 1 MiB, Slurm does "
    "not know the memory: leave `memory:` out",
    "account": "`account:` must be one of `sacctmgr show association where user=$USER`",
    "qos": "`qos:` must be one of `sacctmgr show association where user=$USER format=account,qos`",
    "generic resource": "`gres:` or `gpus_per_task:` asks for what is not there; see `sinfo -o '%P %G'`",
    "feature": "`constraint:` must be among the features of `sinfo -o '%P %f'`",
    "time limit": "lower `time:`, or choose another `partition:` or `qos:`",
    "memory": _MEMORY,
    "unrecognized option": "an option below `sbatch:` is not one of `man sbatch`",
    "partition": "`partition:` must be one that `sinfo` lists",
    "wckey": "add `wckey: NAME` below `sbatch:`",
}


def hint(said: str) -> str:
    """What to do about a refusal; empty where it says that itself."""
    return next((hint for words, hint in _HINTS.items() if words in said.lower()), "")


def too_many(said: str) -> bool:
    """Whether it is that others, or oneself, have as many jobs in the queue as is allowed: that passes."""
    return _TOO_MANY in said.lower()
