"""What a quality of service wants of each job at least, against what jobs ask for."""

from __future__ import annotations

import pytest

from jobs.cluster.cluster_config import Cluster, FollowUp
from jobs.slurm.least import follow_up_below, for_follow_up, training_below


@pytest.mark.parametrize(
    ("keys", "least", "short"),
    [
        ({}, {}, ""),
        ({}, {"cpu": 2}, "cpu=2"),
        ({"threads": 2}, {"cpu": 2}, ""),
        ({"nodes": 2}, {"cpu": 2, "node": 2}, ""),
        ({"tasks_per_node": 2}, {"cpu": 3, "node": 2}, "cpu=3 and node=2"),
        ({}, {"gres/gpu": 1}, "gres/gpu=1"),
        ({"gres": "gpu:a100:2"}, {"gres/gpu": 2}, ""),
        ({"gpus_per_task": 1, "nodes": 2}, {"gres/gpu": 2}, ""),
        ({}, {"license/matlab": 1}, ""),
    ],
)
def test_what_training_asks_for(keys: dict[str, int], least: dict[str, int], short: str) -> None:
    said = training_below(Cluster(kind="slurm", **keys), least)  # type: ignore[arg-type]
    assert said == (
        f"the quality of service wants each job to ask for {short}: it would never start" if short else ""
    )


def test_the_follow_up_is_held_against_what_it_asks_for_itself() -> None:
    cluster = Cluster(kind="slurm", qos="gpus", account="a", threads=8, gpus_per_task=1)
    assert for_follow_up(cluster) == cluster
    why, todo = follow_up_below(cluster, {"gres/gpu": 1, "cpu": 4})
    assert "cpu=4 and gres/gpu=1" in why
    assert todo.startswith("`follow_up: {cpus: 4, gpus: 1}`")
    own = Cluster(kind="slurm", qos="gpus", follow_up=FollowUp(qos="small", cpus=4, gpus=1))
    assert for_follow_up(own).qos == "small"
    assert follow_up_below(own, {"gres/gpu": 1, "cpu": 4}) == ("", "")
    typed = Cluster(kind="slurm", follow_up=FollowUp(gres="gpu:a100:1"))
    assert follow_up_below(typed, {"gres/gpu": 1}) == ("", "")
    assert follow_up_below(typed, {"gres/gpu": 2})[0]
