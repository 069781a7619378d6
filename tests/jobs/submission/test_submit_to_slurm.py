"""Submitting by hand, and waiting in a follow-up's stead; what it hands over is in tests/cluster."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest
from rich.console import Console

from jobs.cluster.cluster_config import Cluster, FollowUp
from jobs.planning.sweep_data import prepare_data
from jobs.slurm.client import Done, Slurm
from jobs.store.handed import Handed
from jobs.store.journal import append
from jobs.store.submit_lock import LockedError
from jobs.submission import follow_up_job, submit_to_slurm
from jobs.submission.follow_up_job import way_to_slurm
from jobs.submission.hand_to_slurm import ToSlurm
from jobs.submission.submit_ready import NoRoomError, submit_ready
from regularize.errors import UserError
from tests.jobs.submissions import small_submission


@pytest.mark.parametrize("error", [NoRoomError, LockedError])
def test_who_waits_without_a_follow_up_waits_for_a_place_as_it_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[UserError]
) -> None:
    def full(*_: object, **__: object) -> NoReturn:
        raise error("3 [jobs] are there")

    slept: list[float] = []
    monkeypatch.setattr(submit_to_slurm, "_turn", full)
    monkeypatch.setattr("time.sleep", slept.append)
    screen = io.StringIO()
    submission = small_submission(tmp_path, Console(file=screen, width=20))
    assert submit_to_slurm.go_on_by_hand(submission)
    assert (screen.getvalue(), slept) == (
        "3 [jobs] are there; trying again later\n",
        [submit_to_slurm.AGAIN_SECONDS],
    )


@pytest.mark.parametrize("by_hand", [True, False])
def test_that_others_have_all_places_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_hand: bool
) -> None:
    """They may hold them for good, and it would be tried again without a word for as long."""
    why: list[UserError] = []

    def full(*_: object, **__: object) -> NoReturn:
        raise why[-1]

    hook = tmp_path / "hook"
    hook.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/heard\n', encoding="utf-8")
    hook.chmod(0o755)
    submission = small_submission(tmp_path, Console(), Cluster(kind="slurm", notify=(str(hook),)))
    monkeypatch.setattr(submit_to_slurm, "_turn", full)
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(follow_up_job, "as_before", lambda *_: submission)
    monkeypatch.setattr(follow_up_job, "submit_ready", full)

    def turn(error: UserError) -> list[str]:
        why.append(error)
        if by_hand:
            submit_to_slurm.go_on_by_hand(submission)
        else:
            assert not follow_up_job.go_on(tmp_path)
        heard = tmp_path / "heard"
        return heard.read_text(encoding="utf-8").splitlines() if heard.exists() else []

    assert turn(LockedError("this sweep is being submitted")) == []
    told = ["small waits: 3 are there:; none is left; it is tried again by itself"]
    assert turn(NoRoomError("3 are there:\nnone is left")) == told
    assert turn(NoRoomError("3 are there:\nnone is left")) == told
    append(submission.store.journal, "asked")
    assert turn(NoRoomError("3 are there:\nnone is left")) == 2 * told


QUALITIES = {"main": "2", "serial": "1", "full": "0"}


def programs(command: Sequence[str], _: str | None) -> Done:
    """Of a Slurm with three partitions, each of which lets one submit so many jobs."""
    rows = {name: f"{name}|{most}|||||\n" for name, most in QUALITIES.items()}
    said = {
        "config": "AccountingStorageEnforce = limits\nClusterName = c\n",
        "partition": "".join(
            f"PartitionName={name} Default={'YES' if name == 'main' else 'NO'} MaxTime=UNLIMITED QoS={name}\n"
            for name in QUALITIES
        ),
        "qos": "".join(rows.values()),
    }
    asked = next((answer for word, answer in said.items() if word in command), "")
    return Done(code=0, out="" if command[0] in ("squeue", "sacct") else asked, err="")


@pytest.mark.parametrize(
    ("partition", "most", "jobs"),
    [(None, 2, [1, 0]), (None, 1, [1]), ("serial", 1, [1, 0]), ("full", 2, [1])],
)
def test_the_place_for_a_follow_up_is_where_it_is_to_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, partition: str | None, most: int, jobs: list[int]
) -> None:
    """What was handed over: arrays by their elements, 0 for the job that follows."""
    handed_over: list[Handed] = []

    def hand_over(_: ToSlurm, handed: Handed, *__: object) -> str:
        handed_over.append(handed)
        return str(len(handed_over))

    monkeypatch.setitem(QUALITIES, "main", str(most))
    monkeypatch.setattr(ToSlurm, "hand_over", hand_over)
    monkeypatch.setattr("jobs.store.provenance.record", lambda *_: None)
    cluster = Cluster(kind="slurm", time=10, follow_up=FollowUp(partition=partition))
    submission = small_submission(tmp_path, Console(), cluster)
    facts = prepare_data(submission.sweep, None, lambda _: None)
    turn = submit_ready(
        submission, facts, way_to_slurm(submission.store, submission.saved, Slurm(run=programs))
    )
    assert [len(each.elements) for each in handed_over] == jobs
    assert turn.followed == (0 in jobs)
