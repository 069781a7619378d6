"""squeue, as recorded on a Slurm 22.05."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.slurm.squeue import parse_queue, parse_shown

RECORDED = (Path(__file__).parent / "recorded" / "squeue.txt").read_text(encoding="utf-8")


def test_a_collapsed_range_is_one_task_for_each_element() -> None:
    tasks = [task for task in parse_queue(RECORDED) if task.job_id == "2"]
    pending = [task for task in tasks if task.state == "PENDING"]
    assert [task.index for task in pending] == [2, 3, 4, 5, 6, 8, 9]
    assert {(task.reason, task.start, task.nodes) for task in pending} == {("JobArrayTaskLimit", None, "")}
    (running,) = (task for task in tasks if task.state == "RUNNING")
    assert (running.index, running.nodes, running.name) == (0, "n1", "rs-small-abc")


def test_times_have_their_zone() -> None:
    (task,) = (task for task in parse_queue(RECORDED) if task.job_id == "13")
    assert task.start == datetime(2026, 11, 26, 0, 2, 31, tzinfo=UTC)
    assert task.end == datetime(2026, 11, 26, 0, 32, 31, tzinfo=UTC)


def test_names_and_reasons_of_any_characters() -> None:
    named = {task.job_id: task for task in parse_queue(RECORDED)}
    assert named["6"].name == "odd|name with spaces"
    assert named["6"].index is None
    line = "7|PENDING|ReqNodeNotAvail, UnavailableNodes:n[3-4]|N/A|N/A||a\tb  ü\n"
    (task,) = parse_queue(line)
    assert (task.reason, task.name) == ("ReqNodeNotAvail, UnavailableNodes:n[3-4]", "a\tb  ü")


@pytest.mark.parametrize("text", ["", "\n", "CLUSTER: alpha\n"])
def test_an_empty_queue(text: str) -> None:
    assert parse_queue(text) == ()


def test_several_clusters_and_a_federations_copies() -> None:
    text = (
        "CLUSTER: alpha\n67108877_[0-1]|PENDING|Priority|N/A|N/A||rs-a-1\n"
        "CLUSTER: beta\n67108877_2|RUNNING|None|2026-11-26T00:02:12+0100|NONE|b7|rs-a-1\n"
        "67108877_3|REVOKED|None|N/A|N/A||rs-a-1\n"
    )
    assert [(task.job_id, task.index, task.state) for task in parse_queue(text)] == [
        ("67108877", 0, "PENDING"),
        ("67108877", 1, "PENDING"),
        ("67108877", 2, "RUNNING"),
    ]


@pytest.mark.parametrize(
    "behind",
    [
        "Comment=JobState=important NodeList=none_yet",
        "Command=/home/a.b/my runs JobId=9 ArrayTaskId=x/job.sh WorkDir=/home/a.b/my Reason=spring",
    ],
)
def test_what_people_write_behind_a_job_is_not_what_it_is(behind: str) -> None:
    line = (
        "JobId=14 ArrayJobId=13 ArrayTaskId=4-5%2 JobName=rs-x-t UserId=a.b(1000) JobState=PENDING "
        "Reason=Priority StartTime=Unknown EndTime=Unknown ReqNodeList=n3 NodeList=(null) "
    )
    tasks = parse_shown(line + behind)
    assert [(task.job_id, task.index) for task in tasks] == [("13", 4), ("13", 5)]
    assert {(task.state, task.reason, task.nodes) for task in tasks} == {("PENDING", "Priority", "")}
