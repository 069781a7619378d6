"""Partitions that take jobs from some nodes alone, against where the follow-up runs and submits to."""

from __future__ import annotations

import pytest

from jobs.cluster.cluster_config import Cluster, FollowUp
from jobs.slurm.alloc_nodes import refused_to_follow_up

# As `scontrol show hostnames` prints them.
HOSTS = {
    "n[1-4]": ("n1", "n2", "n3", "n4"),
    "n[1-8],login": (*(f"n{i}" for i in range(1, 9)), "login"),
    "n10,login": ("n10", "login"),
    "n[2-4]": ("n2", "n3", "n4"),
} | {name: (name,) for name in ("n1", "n4", "login")}


def row(nodes: str, allowed: str = "ALL", **values: str) -> dict[str, str]:
    return {"Nodes": nodes, "AllocNodes": allowed, **values}


@pytest.mark.parametrize(
    ("partitions", "keys", "closed"),
    [
        ({"main": row("n[1-4]", Default="YES")}, {}, None),
        ({"main": row("n[1-4]", "n[1-8],login", Default="YES")}, {}, None),
        ({"main": row("n1", "n10,login", Default="YES")}, {}, ("main", "n1")),
        ({"main": row("n[1-4]", "login")}, {"partition": "main"}, ("main", "n1")),
        # Somewhere else: what counts are its nodes, and both partitions.
        (
            {"main": row("n[1-4]", "n4"), "serial": row("n4")},
            {"follow_up": FollowUp(partition="serial")},
            None,
        ),
        (
            {"main": row("n[1-4]"), "serial": row("n4", "login")},
            {"follow_up": FollowUp(partition="serial")},
            ("serial", "n4"),
        ),
        (
            {"main": row("n[1-4]", "login"), "serial": row("n4")},
            {"follow_up": FollowUp(partition="serial")},
            ("main", "n4"),
        ),
        # It may come to run in each of several.
        (
            {"main": row("n[1-4]", "n4"), "a": row("n4"), "b": row("n1")},
            {"follow_up": FollowUp(partition="a,b")},
            ("main", "n1"),
        ),
        ({"a": row("n4", "n4"), "main": row("n1", "n4")}, {"partition": "a,main"}, ("a", "n1")),
        # Or on a part of one's nodes.
        ({"main": row("n[1-4]", "n4")}, {"follow_up": FollowUp(sbatch={"nodelist": "n4"})}, None),
        ({"main": row("n[1-4]", "n[2-4]")}, {"sbatch": {"exclude": "n1"}}, None),
        ({"main": row("(null)", "login")}, {}, None),
    ],
)
def test_a_follow_up_is_left_out_where_a_partition_takes_no_jobs_from_its_nodes(
    partitions: dict[str, dict[str, str]], keys: dict[str, object], closed: tuple[str, str] | None
) -> None:
    cluster = Cluster(kind="slurm", **({"partition": "main"} | keys))  # type: ignore[arg-type]
    said = refused_to_follow_up(cluster, partitions, lambda names: HOSTS.get(names, ()))
    expected = "partition {} takes no jobs from node {} (its AllocNodes)"
    assert said == (expected.format(*closed) if closed else "")
