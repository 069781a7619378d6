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
        ({"partition": "main", "account": "ROOT"}, None, None),
        ({"partition": "main,short", "account": "root"}, None, 1),
        ({"partition": "short", "account": "root"}, None, 1),
        ({"partition": "main", "account": "research"}, 30, None),
        ({"partition": "main", "account": "research", "qos": "tight"}, 20, 1440),
        ({"partition": "short", "account": "research", "qos": "tight"}, 20, 1),
        ({"qos": "tight"}, 20, 1440),
        ({"partition": "main,short", "account": "research", "qos": "normal,tight"}, 20, 1),
    ],
)
def test_the_limit_that_applies_holds(asked: dict[str, str], jobs: int | None, minutes: int | None) -> None:
    found = text.limits_of(
        Cluster(kind="slurm", **asked),
        CONFIG,
        PARTITIONS,
        associations=ASSOCIATIONS,
        qualities=QUALITIES,
        queued=[],
        default_account="research",
    )
    assert (found.max_array_size, found.max_submit_jobs, found.max_time) == (1001, jobs, minutes)
    assert found.room == jobs


def test_the_partition_of_a_config_without_one_is_the_default() -> None:
    assert text.default_partition(PARTITIONS) == "main"
    assert PARTITIONS["short"]["MaxTime"] == "00:01:00"
    assert text.default_partition({}) == ""


def row(account: str, **values: str) -> dict[str, str]:
    return dict.fromkeys(text.ASSOCIATION, "") | {"Account": account, "QOS": "normal"} | values


def quality(name: str, **values: str) -> dict[str, dict[str, str]]:
    return {name: dict.fromkeys(text.QOS, "") | {"Name": name} | values}


HOUR, DAY = "01:00:00", "1-00:00:00"
PARTITION = {"PartitionName": "main", "Default": "YES", "MaxTime": HOUR, "Nodes": "n[1-4]"}
TWO = [row("a"), row("b", MaxWall="00:05:00", MaxSubmitJobs="1")]
ACCOUNTS = [
    {"Account": "a", "ParentName": "lab", "GrpSubmitJobs": ""},
    {"Account": "lab", "ParentName": "root", "GrpSubmitJobs": "7"},
    {"Account": "root", "ParentName": "", "GrpSubmitJobs": ""},
]


@pytest.mark.parametrize(
    ("asked", "associations", "qualities", "partition", "minutes", "jobs"),
    [
        ({}, TWO, {}, {}, 60, None),  # of two accounts the default one counts
        ({"account": "B"}, TWO, {}, {}, 5, 1),
        ({}, [row("a", MaxWall=HOUR)], quality("normal", MaxWall=DAY), {"MaxTime": "UNLIMITED"}, 1440, None),
        ({}, [row("a")], quality("normal", MaxWall=DAY), {}, 60, None),
        ({}, [row("a")], quality("normal", MaxWall=DAY, Flags="PartitionTimeLimit"), {}, 1440, None),
        ({}, [row("a", MaxSubmitJobs="3")], quality("normal", MaxSubmitPU="9"), {}, 60, 9),
        ({}, [row("a", MaxSubmitJobs="3")], {}, {}, 60, 3),
        ({}, [row("a", QOS="x,y", DefaultQOS="x")], quality("x", GrpSubmit="4"), {}, 60, 4),
        ({"qos": "Y"}, [row("a", QOS="x,y", DefaultQOS="x")], quality("y", GrpSubmit="5"), {}, 60, 5),
        # The partition's own stands before the job's, unless that says otherwise.
        (
            {},
            [row("a")],
            quality("normal", MaxSubmitPU="9") | quality("p", MaxSubmitPU="2"),
            {"QoS": "p"},
            60,
            2,
        ),
        (
            {},
            [row("a")],
            quality("normal", MaxSubmitPU="9", Flags="OverPartQOS") | quality("p", MaxSubmitPU="2"),
            {"QoS": "p"},
            60,
            9,
        ),
    ],
)
def test_what_stands_before_what(
    asked: dict[str, str],
    associations: list[dict[str, str]],
    qualities: dict[str, dict[str, str]],
    partition: dict[str, str],
    minutes: int,
    jobs: int | None,
) -> None:
    found = text.limits_of(
        Cluster(kind="slurm", **asked),
        {},
        {"main": PARTITION | partition},
        associations=associations,
        qualities=qualities,
        queued=[],
        default_account="a",
    )
    assert (found.max_time, found.max_submit_jobs) == (minutes, jobs)
    assert found.sure == (minutes == 60) == found.time_of.startswith("partition main")


def test_what_an_account_above_ones_own_lets_all_its_users_submit() -> None:
    def most(qualities: dict[str, dict[str, str]]) -> int | None:
        return text.limits_of(
            Cluster(kind="slurm"),
            {"MaxArraySize": "0"},
            {"main": PARTITION},
            associations=[row("a")],
            qualities=qualities,
            queued=[],
            default_account="a",
            accounts=ACCOUNTS,
        ).max_submit_jobs

    assert most({}) == 7
    assert most(quality("normal", GrpSubmit="30")) == 30, "what a quality of service sets counts instead"


def test_what_a_job_must_ask_for() -> None:
    found = text.limits_of(
        Cluster(kind="slurm"),
        {"MaxArraySize": "0"},
        {"main": PARTITION},
        associations=[row("a")],
        qualities=quality("normal", MinTRES="cpu=2,gres/gpu=1"),
        queued=[],
    )
    assert found.least == {"cpu": 2, "gres/gpu": 1}
    assert (found.max_array_size, found.partition) == (0, "main")


@pytest.mark.parametrize(
    ("asked", "flags", "least"),
    [
        ({"partition": "a", "qos": "own"}, "", {"cpu": 4, "node": 2}),
        ({"partition": "a", "qos": "own"}, "DenyOnLimit,OverPartQOS", {"cpu": 8, "node": 2}),
        ({"partition": "b", "qos": "own"}, "", {"cpu": 8}),
        ({"partition": "a"}, "", {"cpu": 4, "node": 2}),
        ({"partition": "a,b"}, "", {}),
        ({"partition": "a,b", "qos": "own"}, "", {"cpu": 4}),
        ({"partition": "b", "qos": "own,other"}, "", {"cpu": 6}),
    ],
)
def test_of_several_qualities_the_first_holds_and_of_several_places_any(
    asked: dict[str, str], flags: str, least: dict[str, int]
) -> None:
    """As in Slurm's `_validate_tres_limits_for_qos`: of each kind what is set first stays."""
    found = text.limits_of(
        Cluster(kind="slurm", **asked),  # type: ignore[arg-type]
        {},
        {"a": PARTITION | {"QoS": "part"}, "b": PARTITION},
        associations=[row("a")],
        qualities=quality("part", MinTRES="cpu=4,node=2")
        | quality("own", MinTRES="cpu=8", Flags=flags)
        | quality("other", MinTRES="cpu=6,gres/gpu=1"),
        queued=[],
        default_account="a",
    )
    assert found.least == least


LINES_OF_JOBS = """\
welcome to alpha|today
a|normal|main
a|normal|main
A|big|low,main
b|normal|main
b|normal|low
c|normal,low|main
"""


@pytest.mark.parametrize(
    ("asked", "associations", "qualities", "jobs"),
    [
        ({}, [row("a", MaxSubmitJobs="9")], {}, (9, 3)),
        ({"account": "B"}, TWO, {}, (1, 2)),
        ({"account": "c"}, [row("c", MaxSubmitJobs="9")], {}, (9, 1)),
        ({}, [row("a", MaxSubmitJobs="9", Partition="low"), row("a")], {}, (None, 6)),
        ({"partition": "low"}, [row("a", MaxSubmitJobs="9", Partition="low"), row("a")], {}, (9, 1)),
        ({}, [row("a", MaxSubmitJobs="no number"), row("b")], {}, (None, 6)),
        ({"qos": "big"}, [row("a")], quality("big", MaxSubmitPU="9"), (9, 1)),
        ({}, [row("a", MaxSubmitJobs="9")], quality("normal", MaxSubmitPU="20"), (20, 5)),
        # A partition's own counts whatever is there, the job's what has it anywhere.
        ({"partition": "low"}, [row("a")], quality("p", GrpSubmit="5"), (5, 2)),
        ({}, [row("a", GrpSubmitJobs="9")], quality("normal", MaxSubmitPA="4"), (4, 2)),
        ({"qos": "low,big"}, [row("a")], quality("low", MaxSubmitPU="9"), (9, 1)),
    ],
)
def test_only_jobs_that_count_to_a_limit_take_room(
    asked: dict[str, str],
    associations: list[dict[str, str]],
    qualities: dict[str, dict[str, str]],
    jobs: tuple[int | None, int],
) -> None:
    queued = text.parse_charged(LINES_OF_JOBS)
    partitions = {"main": PARTITION, "low": PARTITION | {"PartitionName": "low", "Default": "NO", "QoS": "p"}}

    def found(accounts: list[dict[str, str]]) -> text.Limits:
        return text.limits_of(
            Cluster(kind="slurm", **asked),  # type: ignore[arg-type]
            {},
            partitions,
            associations=associations,
            qualities=qualities,
            queued=queued,
            default_account="a",
            accounts=accounts,
        )

    assert (found([]).max_submit_jobs, found([]).queued_now) == jobs
    assert found([]).room == (None if jobs[0] is None else max(0, jobs[0] - jobs[1]))


def test_to_an_account_above_counts_what_is_below_it() -> None:
    accounts = [*ACCOUNTS, {"Account": "b", "ParentName": "lab", "GrpSubmitJobs": ""}]
    found = text.limits_of(
        Cluster(kind="slurm"),
        {},
        {"main": PARTITION},
        associations=[row("a")],
        qualities={},
        queued=text.parse_charged(LINES_OF_JOBS),
        default_account="a",
        accounts=accounts,
    )
    assert (found.max_submit_jobs, found.queued_now, found.room) == (7, 5, 2)


def test_what_is_no_number_is_no_limit() -> None:
    for words in ("", "x", "\N{SUPERSCRIPT TWO}", "-1"):
        found = text.limits_of(
            Cluster(kind="slurm"),
            {},
            {"main": PARTITION},
            associations=[row("a", MaxSubmitJobs=words)],
            qualities={},
            queued=[],
            default_account="a",
        )
        assert found.max_submit_jobs is None
