"""What a cluster config asks for against what Slurm says there is. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobs.cluster.cluster_config import Cluster
from jobs.cluster_check.finding import Finding, failed, passed, warned
from jobs.slurm.limits import Limits, default_partition
from jobs.support.readable_numbers import plural
from regularize.errors import one_of

# What sbatch says → what to do about it; the first that fits (an account's message names a partition too).
_HINTS = {
    "node configuration": "no node has that much: lower cpus_per_task, tasks_per_node, memory or "
    "gpus_per_task; `sinfo -o '%P %D %c %m %G'` shows partitions, nodes, CPUs, MiB and GPUs",
    "account": "`account:` must be one of `sacctmgr show association where user=$USER`",
    "qos": "`qos:` must be one of `sacctmgr show association where user=$USER format=account,qos`",
    "generic resource": "`gres:` or `gpus_per_task:` asks for what is not there; see `sinfo -o '%P %G'`",
    "feature": "`constraint:` must be among the features of `sinfo -o '%P %f'`",
    "time limit": "lower `time:`, or choose another `partition:` or `qos:`",
    "memory": "lower `memory:`; `sinfo -o '%P %m'` shows the MiB of nodes",
    "unrecognized option": "an option below `sbatch:` is not one of `man sbatch`",
    "partition": "`partition:` must be one that `sinfo` lists",
    "wckey": "add `wckey: NAME` below `sbatch:`",
}


def partition(cluster: Cluster, partitions: Mapping[str, Mapping[str, str]]) -> Finding:
    name = cluster.partition or default_partition(partitions)
    if not name:
        return failed(
            "partition", "this Slurm has no default partition", f"add `partition:`, {one_of('', partitions)}"
        )
    if name not in partitions:
        return failed(
            "partition", f"there is no partition {name!r}", f"set `partition:` to {one_of(name, partitions)}"
        )
    row = partitions[name]
    state, nodes = row.get("State", "UP"), int(row.get("TotalNodes", "0"))
    if state != "UP":
        others = [other for other, about in partitions.items() if about.get("State") == "UP"]
        return failed("partition", f"{name} is {state.lower()}", f"wait for it, or use {one_of('', others)}")
    if cluster.nodes > nodes:
        return failed(
            "partition", f"{name} has {plural(nodes, 'node')}, nodes is {cluster.nodes}", "lower `nodes:`"
        )
    return passed("partition", f"{name}: up, {plural(nodes, 'node')}")


def time_limit(cluster: Cluster, limits: Limits) -> Finding:
    if limits.max_time is None or cluster.time <= limits.max_time:
        most = "sets no limit" if limits.max_time is None else f"allows {limits.max_time} min"
        return passed("time", f"{cluster.time} min a job; the cluster {most}")
    return failed(
        "time",
        f"{cluster.time} min a job, but at most {limits.max_time} min are allowed: it would never start",
        f"`time: {limits.max_time}` or less (work that is cut short goes on), or another partition or qos",
    )


def array_size(limits: Limits) -> Finding:
    most = limits.max_array_size
    if most < 1:
        return failed(
            "arrays", "this Slurm allows no job arrays", "ask its administrators for MaxArraySize > 0"
        )
    return passed("arrays", f"of up to {plural(most, 'element')}; longer ones are cut")


def submitted_jobs(limits: Limits) -> Finding:
    most, queued = limits.max_submit_jobs, limits.queued_now
    if most is None:
        return passed("jobs", f"no limit on submitted jobs; {queued:,} queued now")
    if most < 2:
        return failed(
            "jobs",
            f"at most {plural(most, 'job')} at a time",
            "two are needed: for runs, and to go on after them",
        )
    if limits.room is not None and limits.room < 2:
        return warned("jobs", f"{queued:,} of at most {most:,} are queued", "wait until some have ended")
    return passed("jobs", f"at most {most:,} submitted at a time; {queued:,} queued now")


def account(
    cluster: Cluster, enforced: Sequence[str], associations: Sequence[Mapping[str, str]] | None
) -> Finding:
    """Whether account and qos are ones of the user; `enforced` is `AccountingStorageEnforce`."""
    if associations is None:
        return passed("account", "this Slurm keeps no accounts of users")
    complain = failed if "associations" in enforced else warned
    if not associations:
        return complain("account", "you have no account on this cluster", "ask its administrators for one")
    accounts = sorted({row["Account"] for row in associations})
    mine = [row for row in associations if cluster.account in (None, row["Account"])]
    if not mine:
        return complain(
            "account",
            f"{cluster.account!r} is none of your accounts",
            f"set `account:` to {one_of(cluster.account, accounts)}",
        )
    qualities = sorted({name for row in mine for name in row["QOS"].split(",") if name})
    if cluster.qos and cluster.qos not in qualities:
        return complain(
            "account",
            f"qos {cluster.qos!r} is not open to you",
            f"set `qos:` to {one_of(cluster.qos, qualities)}",
        )
    return passed(
        "account", f"{cluster.account or ', '.join(accounts)}; qos {', '.join(qualities) or 'default'}"
    )


def request(code: int, said: str) -> Finding:
    """What `sbatch --test-only` said of the job."""
    if code == 0:
        return passed("request", said.removeprefix("sbatch: "))
    hint = next((hint for words, hint in _HINTS.items() if words in said.lower()), "mend what it names")
    return failed("request", said, hint)


def history(available: bool) -> Finding:
    if available:
        return passed("accounting", "sacct answers")
    return warned(
        "accounting",
        "sacct does not answer: what became of jobs that ended early stays unknown",
        "nothing to do if the cluster has no slurmdbd; else try again later",
    )
