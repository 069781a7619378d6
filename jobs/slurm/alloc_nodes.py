"""Whether jobs may be submitted from the nodes that the follow-up runs on, as partitions say. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from jobs.cluster.cluster_config import Cluster, FollowUp
from jobs.slurm.least import for_follow_up
from jobs.slurm.limits import default_partition

Hosts = Callable[[str], Sequence[str]]
"""The names that Slurm's shorthand for some stands for: `n[1-2],login` is n1, n2 and login."""


def refused_to_follow_up(cluster: Cluster, partitions: Mapping[str, Mapping[str, str]], hosts: Hosts) -> str:
    """Why a follow-up, wherever it comes to run, could not go on: a partition that takes no jobs from there.

    It submits to the partitions of what trains and to its own. Empty where all take jobs from its nodes.
    """
    usual = default_partition(partitions)
    training = (cluster.partition or usual).split(",")
    own = (for_follow_up(cluster).partition or usual).split(",")
    closed = {name: _allowed(partitions.get(name, {})) for name in dict.fromkeys([*training, *own])}
    closed = {name: allowed for name, allowed in closed.items() if allowed}
    if not closed:
        return ""
    nodes = _nodes(cluster, [partitions.get(name, {}).get("Nodes", "") for name in own], hosts)
    for name, allowed in closed.items():
        if others := sorted(nodes - set(hosts(allowed))):
            return f"partition {name} takes no jobs from node {others[0]} (its AllocNodes)"
    return ""


def _allowed(partition: Mapping[str, str]) -> str:
    """The nodes from which alone a partition takes jobs; empty where it takes them from all."""
    allowed = partition.get("AllocNodes", "ALL")
    return "" if allowed == "ALL" else allowed


def _nodes(cluster: Cluster, partitions: Sequence[str], hosts: Hosts) -> set[str]:
    """Those on which the follow-up may run."""
    own = (cluster.follow_up or FollowUp()).sbatch or {}
    options = {**(cluster.sbatch or {}), **own}
    named = [str(options["nodelist"])] if "nodelist" in options else partitions
    left_out = set(hosts(str(options["exclude"]))) if "exclude" in options else set()
    return {node for each in named if each for node in hosts(each)} - left_out
