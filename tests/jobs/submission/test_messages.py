"""The user's own command, by the follow-up: once for failures, once for the end, without a shell."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console

from jobs.cluster.cluster_config import Cluster
from jobs.planning.plan import IN_HAND, Plan
from jobs.planning.prepare_submission import Submission
from jobs.store import submitted_settings
from jobs.store.journal import append, read_journal
from jobs.submission.messages import notify, notify_stopped
from jobs.submission.submit_ready import Turn
from regularize.errors import UserError
from tests.jobs.submissions import small_submission


def turn(*, at_work: bool, held: dict[str, str]) -> Turn:
    plan = SimpleNamespace(held=held, done={"a": False}, runs=[None] * 3)
    return Turn(plan=cast(Plan, plan), jobs=(), at_work=at_work, followed=at_work)


@pytest.fixture
def submission(tmp_path: Path) -> Submission:
    hook = tmp_path / "hook"
    hook.write_text(f'#!/bin/sh\nprintf "%s|" "$@" >> {tmp_path}/heard\n', encoding="utf-8")
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
    cluster = Cluster(kind="slurm", notify=(str(hook), "-d", "$(touch pwned)"))
    return small_submission(tmp_path, Console(), cluster)


def heard(tmp_path: Path) -> list[str]:
    path = tmp_path / "heard"
    words = path.read_text(encoding="utf-8").split("|")[:-1] if path.exists() else []
    assert not (tmp_path / "pwned").exists()
    assert all(word == given for word, given in zip(words, ["-d", "$(touch pwned)"], strict=False))
    return words[2::3]


def test_the_first_failure_and_the_end_are_told_once(
    submission: Submission, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name, said = submission.sweep.name, list[str]()

    def look(**values: object) -> list[str]:
        notify(submission, turn(**values), said.append)  # type: ignore[arg-type]
        return heard(tmp_path)

    assert look(at_work=True, held={"b": IN_HAND}) == []
    failed = [f"{name}: 1 run left out: failed"]
    assert look(at_work=True, held={"b": "failed"}) == failed
    assert look(at_work=True, held={"b": "failed"}) == failed
    over = [*failed, f"{name} is over: 1 of 3 runs done, 1 run left out: failed"]
    assert look(at_work=False, held={"b": "failed"}) == over
    assert look(at_work=False, held={"b": "failed"}) == over
    append(submission.store.journal, "asked")
    assert read_journal(submission.store.journal).told == frozenset()
    assert len(look(at_work=True, held={"b": "failed"})) == 3
    assert said == []


def test_a_command_that_fails_is_named_in_the_log(submission: Submission, tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "hook").unlink()
    notify(submission, turn(at_work=False, held={}), said.append)
    assert said[0].startswith("warning: notify: ")


def test_that_it_stands_still_is_told_once_by_what_the_store_remembers(
    submission: Submission, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store, said = submission.store, list[str]()
    for _ in range(2):
        submitted_settings.save(store, submission.sweep, submission.saved)
        assert notify_stopped(store, UserError("time is 20 minutes\nbut 5 are allowed"), said.append)
    line = "time is 20 minutes; but 5 are allowed; `regularize submit` continues"
    assert heard(tmp_path) == [f"{tmp_path.name} is stopped: {line}"]
    append(store.journal, "asked")
    notify_stopped(store, ZeroDivisionError("division by zero"), said.append)
    assert heard(tmp_path)[1:] == [
        f"{tmp_path.name} is stopped: ZeroDivisionError: division by zero; `regularize submit` continues"
    ]
    append(store.journal, "asked")
    store.submission.write_text("{", encoding="utf-8")
    assert not notify_stopped(store, UserError("it is damaged"), said.append)
    assert (len(heard(tmp_path)), said) == (2, [])


def test_that_it_stands_still_is_still_to_be_told_where_the_command_failed(
    submission: Submission, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another node, or by the script: it has not been told then. Without a command nobody is to be."""
    monkeypatch.chdir(tmp_path)
    store, said = submission.store, list[str]()
    submitted_settings.save(store, submission.sweep, submission.saved)
    hook = tmp_path / "hook"
    hook.chmod(0o600)
    assert not notify_stopped(store, UserError("no room"), said.append)
    assert said[0].startswith("warning: notify: ")
    hook.chmod(0o755)
    assert notify_stopped(store, UserError("no room"), said.append)
    assert len(heard(tmp_path)) == 1
    silent = replace(submission.saved, cluster=replace(submission.cluster, notify=()))
    append(store.journal, "asked")
    submitted_settings.save(store, submission.sweep, silent)
    assert notify_stopped(store, UserError("no room"), said.append)
    assert (len(heard(tmp_path)), len(said)) == (1, 1)
