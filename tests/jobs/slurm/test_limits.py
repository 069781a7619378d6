"""Limits, from what scontrol and sacctmgr of a Slurm 22.05 printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.cluster.cluster_config import Cluster
from jobs.slurm import limits as text

FOLDER = Path(__file__).parent / "recorded"
CONFIG = text.parse_config((FOLDER / "config.txt").read_text(encoding="utf-8"))
LINES = (FOLDER / "partitions.txt").read_text(encoding="utf-8").splitlines()
PARTITIONS = {row["PartitionName"]: row for row in map(text.parse_partition, LINES)}
ASSOCIATIONS = text.parse_table((FOLDER / "associations.txt").read_text(encoding="utf-8"), text.ASSOCIATION)
ROWS = text.parse_table((FOLDER / "qos.txt").read_text(encoding="utf-8"), text.QOS)
QUALITIES = {row["Name"]: row for row in ROWS}


@pytest.mark.parametrize(
    ("asked", "jobs", "minutes"),
    [
        ({"partition": "main", "account": "root"}, None, None),
        ({"partition": "short", "account": "root"}, None, 1),
        ({"partition": "main", "account": "research"}, 30, None),
        ({"partition": "main", "account": "research", "qos": "tight"}, 20, 1440),
        ({"partition": "short", "account": "research", "qos": "tight"}, 20, 1),
        ({"qos": "tight"}, 20, 1440),
    ],
)
def test_the_tightest_limit_holds(asked: dict[str, str], jobs: int | None, minutes: int | None) -> None:
    found = text.limits_of(
        Cluster(kind="slurm", **asked),
        CONFIG,
        PARTITIONS,
        associations=ASSOCIATIONS,
        qualities=QUALITIES,
        queued=4,
    )
    assert (found.max_array_size, found.max_submit_jobs, found.max_time) == (1001, jobs, minutes)
    assert found.room == (None if jobs is None else jobs - 4)


def test_the_partition_of_a_config_without_one_is_the_default() -> None:
    assert text.default_partition(PARTITIONS) == "main"
    assert PARTITIONS["short"]["MaxTime"] == "00:01:00"
    assert text.default_partition({}) == ""
