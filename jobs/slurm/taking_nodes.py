"""Nodes that take jobs now, of those to which a cluster config sends what trains. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from jobs.cluster.cluster_config import Cluster
from jobs.slurm.limits import default_partition
from jobs.slurm.node_names import expanded

AWAY = frozenset(
    {"drained", "draining", "drng", "down", "fail", "failing", "maint", "unknown", "inval", "error"}
)
"""States of nodes that take no jobs."""


def plain_state(text: str) -> str:
    """Without marks.

    >>> plain_state("down*")
    'down'
    """
    return text.rstrip("*~#!%$@^-+")


def taking_nodes(
    cluster: Cluster, partitions: Mapping[str, Mapping[str, str]], lines: Iterable[str]
) -> set[str]:
    """Of sinfo's `lines` of partition, node and state (`main|n1|idle`) the nodes that are meant."""
    wanted = (cluster.partition or default_partition(partitions)).split(",")
    options = cluster.sbatch or {}
    rows = (line.strip().split("|") for line in lines)
    found = {row[1] for row in rows if len(row) == 3 and row[0] in wanted and plain_state(row[2]) not in AWAY}
    if "nodelist" in options:
        found.intersection_update(expanded(str(options["nodelist"])))
    return found.difference(expanded(str(options.get("exclude", ""))))
