from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from jobs.cluster.cluster_config import Cluster
from jobs.slurm.client import Done, Run, Slurm
from jobs.store.handed import Handed
from jobs.store.journal import append, submitting
from jobs.store.submitted_settings import Saved
from jobs.submission.follow_up_job import way_to_slurm
from jobs.submission.job_outcomes import CANCELLED, UNKNOWN, look_now
from jobs.submission.reconcile import reconcile
from regularize.store import Store
from tests.jobs.stores import write_pack


def hand_over(path: Path, token: str, job_id: str) -> None:
    submitting(path, Handed(token=token, name=f"rs-x-{token}", elements=(((("a",),),),)))
    append(path, "submitted", token=token, job_id=job_id)


def test_what_is_handed_over_while_one_looks_is_not_overlooked(tmp_path: Path) -> None:
    path, asked = tmp_path / "journal.jsonl", []
    hand_over(path, "first", "13")

    def run(command: Sequence[str], _: str | None) -> Done:
        """The follow-up hands over job 15, and with that all that was known before has ended."""
        if command[0] == "squeue":
            asked.append(command[-1])
            if len(asked) == 1:
                hand_over(path, "second", "15")
        return Done(code=0, out="15|PENDING|Priority|N/A|N/A||rs-x-second\n", err="")

    sight = look_now(path, Slurm(run=run))
    assert asked == ["--jobs=13", "--jobs=13,15"]
    assert (set(sight.live), sight.gone) == ({("second", 0)}, {})
    assert [(handed.token, index) for handed, index in sight.unheard] == [("first", 0)]


def test_an_idle_sweep_is_looked_at_once(tmp_path: Path) -> None:
    path, asked = tmp_path / "journal.jsonl", []
    hand_over(path, "first", "13")

    def run(command: Sequence[str], _: str | None) -> Done:
        asked.append(command[0])
        return Done(code=0, out="", err="")

    assert look_now(path, Slurm(run=run)).live == {}
    assert asked == ["squeue", "sacct", "scontrol"]


def test_what_we_cancelled_while_it_was_pending_is_not_unknown_though_slurm_keeps_no_account(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.jsonl"
    hand_over(path, "first", "13")
    append(path, "cancelled", runs=["a"], elements=[["first", 0]])
    sight = look_now(path, Slurm(run=lambda *_: Done(code=0, out="", err="")))
    assert sight.gone == {("first", 0): CANCELLED}


SQUEUE = {
    "silent": "",
    "garbage": "<html>|502|Bad|Gateway|x|y|z\n?|?\n",
    "running": "13|RUNNING|None|N/A|N/A|n1|rs-x-first\n",
    "ended": "13|FAILED|NonZeroExitCode|N/A|N/A|n1|rs-x-first\n",
}
SACCT = {
    "silent": "",
    "garbage": "13|RUNNING|x|y|z|||||||||||||\nsacct: hello\n",
    "running": "13|RUNNING|0:0|5|n1|None|Unknown|Unknown||00:00:00|1G|1|1|20||||rs-x-first\n",
    "overdue": "13|RUNNING|0:0|5|n1|None|2020-01-01T00:00:00|Unknown||00:00:00|1G|1|1|20||||rs-x-first\n",
    "ended": "13|TIMEOUT|0:0|5|n1|None|Unknown|Unknown||00:00:00|1G|1|1|20||||rs-x-first\n",
}
NONE = Done(code=1, out="", err="slurm_load_jobs error: Invalid job id specified\n")
SHOWN = "JobId=13 JobName=rs-x-first JobState={} Reason=None StartTime=Unknown EndTime=Unknown NodeList=n1\n"
CONTROLLER = {
    "silent": Done(code=0, out="", err=""),
    "none": NONE,
    "running": Done(code=0, out=SHOWN.format("RUNNING"), err=""),
    "ended": Done(code=0, out=SHOWN.format("NODE_FAIL"), err=""),
}


def answering(squeue: str, sacct: str, controller: str) -> Run:
    """Slurm's programs, which print this."""
    answers = {
        "squeue": Done(code=0, out=squeue, err=""),
        "sacct": Done(code=0, out=sacct, err=""),
        "scontrol": CONTROLLER[controller],
    }

    def run(command: Sequence[str], _: str | None) -> Done:
        config = Done(code=0, out="AccountingStorageType = accounting_storage/slurmdbd\n", err="")
        return config if command[-1] == "config" else answers[command[0]]

    return run


@pytest.mark.parametrize(
    ("squeue", "sacct", "controller", "expected"),
    [
        ("running", "silent", "none", "live"),
        ("running", "ended", "none", "live"),  # requeued: the accounts know the attempt before
        ("silent", "running", "none", "live"),
        ("garbage", "running", "silent", "live"),
        ("silent", "silent", "running", "live"),
        ("garbage", "garbage", "running", "live"),
        ("silent", "silent", "silent", "unheard"),
        ("garbage", "garbage", "silent", "unheard"),
        ("silent", "overdue", "silent", "unheard"),
        ("silent", "silent", "none", "unheard"),
        ("silent", "ended", "silent", "TIMEOUT"),
        ("ended", "silent", "silent", "FAILED"),
        ("ended", "running", "silent", "FAILED"),  # the accounts lag
        ("ended", "ended", "silent", "TIMEOUT"),
        ("silent", "silent", "ended", "NODE_FAIL"),
    ],
)
def test_a_job_is_alive_when_either_says_so_and_without_a_word_unknown(
    tmp_path: Path, squeue: str, sacct: str, controller: str, expected: str
) -> None:
    hand_over(tmp_path / "journal.jsonl", "first", "13")
    run = answering(SQUEUE[squeue], SACCT[sacct], controller)
    sight = look_now(tmp_path / "journal.jsonl", Slurm(run=run))
    found = "live" if sight.live else "unheard" if sight.unheard else sight.gone["first", 0]
    assert found == expected
    assert sight.live_runs() == ({"a"} if expected in ("live", "unheard") else set())


def test_where_there_are_no_accounts_the_controllers_no_counts(tmp_path: Path) -> None:
    hand_over(tmp_path / "journal.jsonl", "first", "13")

    def run(command: Sequence[str], _: str | None) -> Done:
        if command[0] == "sacct":
            return Done(code=1, out="", err="Slurm accounting storage is disabled\n")
        if command[-1] == "config":
            return Done(code=0, out="AccountingStorageType   = accounting_storage/none\n", err="")
        return NONE

    assert look_now(tmp_path / "journal.jsonl", Slurm(run=run)).gone == {("first", 0): UNKNOWN}


def test_what_slurm_is_silent_of_is_over_once_no_job_could_still_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, silent = Store(tmp_path), Slurm(run=lambda *_: Done(code=0, out="", err=""), sleep=lambda _: None)
    way = way_to_slurm(store, Saved(cluster=Cluster(kind="slurm", time=20), data_root=None), silent)
    hand_over(store.journal, "first", "13")
    sight, _ = reconcile(way)
    assert sight.live_runs() == {"a"}
    (since,) = sight.journal.unheard.values()
    assert reconcile(way)[0].journal.unheard == {("first", 0): since}, "it is silent since the first look"

    monkeypatch.setattr("jobs.submission.job_outcomes.GRACE_MINUTES", -20.1)
    monkeypatch.setattr("jobs.submission.continuation.GRACE_MINUTES", -20.1)
    sight, _ = reconcile(way)
    assert (sight.live_runs(), sight.journal.open) == (set(), [])
    assert sight.journal.arrays[0].endings[0][:2] == (UNKNOWN, False)


def test_a_word_of_a_job_ends_its_silence(tmp_path: Path) -> None:
    store, answers = Store(tmp_path), {"squeue": ""}
    run = lambda command, _: Done(code=0, out=answers.get(command[0], ""), err="")  # noqa: E731
    way = way_to_slurm(
        store, Saved(cluster=Cluster(kind="slurm"), data_root=None), Slurm(run=run, sleep=lambda _: None)
    )
    hand_over(store.journal, "first", "13")
    assert reconcile(way)[0].journal.unheard
    answers["squeue"] = SQUEUE["running"]
    assert not reconcile(way)[0].journal.unheard


def test_an_element_whose_packs_are_all_done_is_waited_for_by_nobody(tmp_path: Path) -> None:
    store, silent = Store(tmp_path), Slurm(run=lambda *_: Done(code=0, out="", err=""), sleep=lambda _: None)
    hand_over(store.journal, "first", "13")
    write_pack(store, ["a"], "done")
    way = way_to_slurm(store, Saved(cluster=Cluster(kind="slurm"), data_root=None), silent)
    assert reconcile(way)[0].journal.open == []
