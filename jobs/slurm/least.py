"""What a quality of service wants each job to ask for at least: with less, a job waits for ever. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from jobs.cluster.cluster_config import Cluster, FollowUp

_KEYS = {"cpu": "cpus", "gres/gpu": "gpus"}


def for_follow_up(cluster: Cluster) -> Cluster:
    """The cluster with the partition, account and quality of service that the follow-up asks for."""
    own = cluster.follow_up or FollowUp()
    return replace(
        cluster,
        partition=own.partition or cluster.partition,
        account=own.account or cluster.account,
        qos=own.qos or cluster.qos,
    )


def training_below(cluster: Cluster, least: Mapping[str, int]) -> str:
    """Why jobs that train would never start; empty where they ask for enough."""
    gpus = cluster.gpus_per_task * cluster.ranks or cluster.gpus_asked * cluster.nodes
    asks = {"cpu": cluster.threads * cluster.ranks, "gres/gpu": gpus, "node": cluster.nodes}
    return _below(asks, least)


def follow_up_below(cluster: Cluster, least: Mapping[str, int]) -> tuple[str, str]:
    """Why the follow-up would never start, and what to set; both empty where it asks for enough."""
    own = cluster.follow_up or FollowUp()
    asks = {"cpu": own.cpus, "gres/gpu": own.gpus_asked}
    if not (why := _below(asks, least)):
        return "", ""
    more = ", ".join(f"{_KEYS[name]}: {least[name]}" for name in asks if asks[name] < least.get(name, 0))
    return why, f"`follow_up: {{{more}}}`, or a `qos:` of its own there"


def _below(asks: Mapping[str, int], least: Mapping[str, int]) -> str:
    short = [name for name, number in asks.items() if number < least.get(name, 0)]
    wanted = " and ".join(f"{name}={least[name]}" for name in short)
    return f"the quality of service wants each job to ask for {wanted}: it would never start" if short else ""
