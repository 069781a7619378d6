"""Limits of the cluster make arrays smaller and slices larger; the sweep is trained all the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.store import submitted_settings
from jobs.store.journal import read_journal
from tests.cluster.accounting import added
from tests.cluster.processes import wait_for
from tests.cluster.slurm import TestCluster
from tests.cluster.trial import Trial

SWEEP = """\
name: two-phase
dataset: {digits: {per_class: 20}}
model: mlp
training: {steps: 20, batch_size: 16}
regularizers:
  none:
  l2: {strength: [1e-3, 1e-2, 3e-2]}
  dropout: {p: [0.2, 0.5]}
  input_noise: {sigma: 0.1}
seeds: {tune: 1, report: 2}
select: {metric: validation_accuracy}
"""
TUNE, REPORT = 7, 8


@pytest.fixture
def trial(tmp_path: Path, data_root: Path, python: list[str], monkeypatch: pytest.MonkeyPatch) -> Trial:
    """One run a pack; each pack is worth an element, which otherwise takes a minute of training."""
    monkeypatch.setattr("jobs.planning.job_arrays.LEAST_SECONDS", 1e-6)
    keys = {"pack_runs": 1, "array_parallelism": 16, "memory": "900M", "python": python}
    return Trial(tmp_path, data_root, SWEEP, **keys)


def elements(trial: Trial) -> list[int]:
    """How many elements each array has that was handed over."""
    return [len(handed.elements) for handed in read_journal(trial.store.journal).arrays]


def test_arrays_are_cut_at_the_largest_index(slurm: TestCluster, trial: Trial) -> None:
    slurm.set_config(MaxArraySize=5)
    assert trial.submit().code == 0
    assert elements(trial) == [5, 2]
    assert len(slurm.queued()) == 8  # with the follow-up


def test_without_arrays_and_accounting_both_phases_complete_unattended(
    slurm: TestCluster, trial: Trial
) -> None:
    none = {"AccountingStorageType": "accounting_storage/none", "AccountingStorageEnforce": None}
    slurm.set_config(MaxArraySize=0, **none)
    assert trial.submit("--max-jobs", "2").code == 0
    assert elements(trial) == [1, 1]
    slurm.wait_until_idle()
    assert trial.states() == {"done": TUNE + REPORT}
    assert {*elements(trial)} == {1}


def test_max_jobs_makes_fewer_elements_with_more_to_do(slurm: TestCluster, trial: Trial) -> None:
    assert trial.submit("--max-jobs", "3").code == 0
    assert elements(trial) == [3]
    (array,) = read_journal(trial.store.journal).arrays
    assert sum(len(list(array.runs(index))) for index in range(array.jobs)) == TUNE
    assert len(slurm.queued()) == 4  # with the follow-up
    assert submitted_settings.load(trial.store).cluster.max_jobs == 3, "the follow-up keeps to it, too"


def test_max_jobs_counts_what_earlier_submissions_have_in_the_queue(
    slurm: TestCluster, trial: Trial, tmp_path: Path, data_root: Path, python: list[str]
) -> None:
    def grown(more: str) -> Trial:
        return Trial(tmp_path, data_root, SWEEP.replace("[0.2, 0.5]", f"[0.2, 0.5{more}]"), **options)

    go = tmp_path / "go"
    options = {"pack_runs": 1, "memory": "900M", "python": python}
    options |= {"setup": [f"until test -e {go}; do sleep 0.2; done"]}
    assert grown("").submit("--max-jobs", "3").code == 0
    assert grown(", 0.3, 0.4").submit("--max-jobs", "4").code == 0
    assert elements(trial) == [3, 1]
    said = grown(", 0.3, 0.4, 0.6").submit("--max-jobs", "4")
    assert (said.code, elements(trial)) == (0, [3, 1])
    assert "1 run to do once fewer than 4 jobs are queued" in said.err
    assert "what comes next is submitted by itself" in said.err
    go.touch()
    slurm.wait_until_idle()
    assert trial.states() == {"done": TUNE + 3 + REPORT}


def test_under_the_tightest_limits_both_phases_complete_unattended(slurm: TestCluster, trial: Trial) -> None:
    slurm.set_config(MaxArraySize=5)
    slurm.set_max_submit_jobs(3)
    assert trial.submit().code == 0
    assert elements(trial) == [2]
    slurm.wait_until_idle()
    assert trial.states() == {"done": TUNE + REPORT}
    assert trial.store.table("selection").exists()
    assert {*elements(trial)} <= {1, 2}


Hand = Callable[..., Trial]


@pytest.fixture
def held(tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Hand:
    """Trials of these keys, each in a folder of its own, whose jobs are held."""
    monkeypatch.setattr("jobs.planning.job_arrays.LEAST_SECONDS", 1e-6)

    def make(name: str, **keys: object) -> Trial:
        (tmp_path / name).mkdir()
        options = {"pack_runs": 1, "array_parallelism": 16, "memory": "900M", "sbatch": {"hold": True}}
        return Trial(tmp_path / name, data_root, SWEEP, **(options | keys))

    return make


def test_what_an_account_above_lets_all_below_it_submit(slurm: TestCluster, held: Hand) -> None:
    lab = ("account", "lab", "GrpSubmitJobs=4")
    students = ("account", "students", "parent=lab")
    with added(slurm, lab, students, ("user", "root", "account=students")):
        first, second = (held(name, account="students") for name in ("first", "second"))
        assert first.submit().code == 0
        assert (elements(first), len(slurm.queued())) == ([3], 4)
        with pytest.raises(RuntimeError, match="AssocGrpSubmitJobsLimit"):
            slurm.sbatch("true", "--hold", "--account=students")
        said = second.submit()
    assert (said.code, elements(second)) == (2, [])
    assert "Slurm lets you have 4 jobs in the queue, and 4 are there" in said.err


def test_a_follow_up_waits_for_the_place_that_others_have(
    slurm: TestCluster, held: Hand, python: list[str]
) -> None:
    """Their jobs count to what an account lets all submit, and are not seen."""
    lab = ("account", "lab", "GrpSubmitJobs=5")
    users = [("user", name, "account=lab") for name in ("root", "nobody")]
    with added(slurm, lab, *users):
        slurm.sbatch("true", "--hold", "--account=lab", "--uid=nobody", "--array=0-3")
        lone = held("lone", account="lab").submit("--max-jobs", "1")
        assert (lone.code, len(slurm.queued())) == (0, 5)
        assert "Slurm leaves no place for a job that goes on by itself" in lone.err
        slurm.run("scancel", *slurm.queued())
        slurm.wait_until_idle(60)
        trial = held("mine", account="lab", python=python)
        assert trial.submit("--max-jobs", "1").code == 0
        slurm.sbatch("true", "--hold", "--account=lab", "--uid=nobody", "--array=0-2")
        said = held("more", account="lab").submit()
        assert (said.code, "AssocGrpSubmitJobsLimit" in said.err, "--max-jobs" in said.err) == (2, True, True)
        array, follow_up = (handed.job_id for handed in read_journal(trial.store.journal).handed)
        slurm.run("scontrol", "release", str(array))
        log = trial.store.logs / f"{follow_up}_0_log.out"
        slurm.wait_for_state(str(array), "COMPLETED")
        slurm.sbatch("true", "--hold", "--account=lab", "--uid=nobody")
        slurm.run("scontrol", "release", str(follow_up))
        wait_for("its word", lambda: log.exists() and "trying again later" in log.read_text(), 120)
        assert "AssocGrpSubmitJobsLimit" in log.read_text(encoding="utf-8")
        assert f"job {follow_up} goes on by itself" in trial.regularize("status").out


def test_what_is_queued_by_another_account_takes_no_room(slurm: TestCluster, held: Hand) -> None:
    """Slurm counts each association's jobs, and takes these."""
    slurm.set_max_submit_jobs(3)
    with added(slurm, ("account", "spare"), ("user", "root", "account=spare")):
        slurm.sbatch("true", "--hold", "--account=spare", "--array=0-4")
        trial = held("mine")
        assert trial.submit().code == 0
        assert (elements(trial), len(slurm.queued())) == ([2], 5 + 3)
        said = held("more").submit()
    assert (said.code, "Slurm lets you have 3 jobs in the queue, and 3 are there" in said.err) == (2, True)


def test_the_time_of_the_follow_up_is_its_own_or_what_its_partition_allows(
    slurm: TestCluster, held: Hand
) -> None:
    """However little of theirs the jobs that train take, too."""
    least = {"time": 60, "sbatch": {"hold": True, "time-min": 45}}
    for name, keys in (("a", {}), ("b", {"follow_up": {"partition": "short"}}), ("c", least)):
        assert held(name, **({"time": 2} | keys)).submit().code == 0
    never = held("d", follow_up={"partition": "short", "time": 2}).submit()
    why = "time of follow_up is 2 minutes, but partition short allows 1"
    assert (never.code, why in never.err) == (2, True), never
    limits = [line.split() for line in slurm.run("squeue", "--noheader", "--format=%E %l %P").splitlines()]
    assert {(time, place) for after, time, place in limits if after != "(null)"} == {
        ("30:00", "main"),
        ("1:00", "short"),
    }


def test_a_quality_of_service_stands_before_the_partition_and_the_account(
    slurm: TestCluster, held: Hand
) -> None:
    """Where its flags and limits say so: what Slurm itself starts is not refused, what it never would is."""
    beyond = ("qos", "beyond", "MaxWall=120", "Flags=PartitionTimeLimit,DenyOnLimit")
    manager = ("sacctmgr", "-i", "modify", "user", "root", "set")
    with added(slurm, beyond):
        slurm.run(*manager, "qos+=beyond", "MaxWall=5")
        try:
            asked = {"partition": "short", "time": 60}
            own = slurm.sbatch("true", "--partition=short", "--qos=beyond", "--time=60")
            assert slurm.wait_for_state(own, "COMPLETED")
            kept = slurm.sbatch("true", "--partition=main", "--time=60")
            reason = ("squeue", "--noheader", f"--jobs={kept}", "--format=%r")
            wait_for("the job to wait", lambda: "AssocMaxWallDurationPerJobLimit" in slurm.run(*reason), 10)
            taken = held("taken", qos="beyond", **asked).submit()
            longer = held("longer", qos="beyond", partition="short", time=121).submit()
            usual = held("usual", **asked).submit()
            account = held("account", time=60).submit()
        finally:
            slurm.run(*manager, "qos-=beyond", "MaxWall=-1")
    assert taken.code == 0, taken
    assert (longer.code, "time is 121 minutes, but qos beyond allows 120" in longer.err) == (2, True), longer
    assert (usual.code, "time is 60 minutes, but partition short allows 1" in usual.err) == (2, True), usual
    waits = "time is 60 minutes, but account research allows 5: Slurm takes such jobs, and may never start"
    assert (account.code, waits in account.out + account.err) == (0, True), account


def test_whose_quality_of_service_holds_the_jobs_or_the_partitions(slurm: TestCluster, held: Hand) -> None:
    above = ("qos", "above", "MaxSubmitJobsPerUser=5", "Flags=OverPartQOS")
    below = ("qos", "below", "MaxSubmitJobsPerUser=5")
    manager = ("sacctmgr", "-i", "modify", "user", "root", "set")
    with added(slurm, ("qos", "places", "MaxSubmitJobsPerUser=2"), above, below):
        slurm.run(*manager, "qos+=above,below")
        slurm.run("scontrol", "update", "partition=low", "QoS=places")
        try:
            trials = {name: held(name, partition="low", qos=name) for name in ("above", "below")}
            found = {}
            for name, trial in trials.items():
                assert trial.submit().code == 0
                found[name] = elements(trial)
                with pytest.raises(RuntimeError, match="QOSMaxSubmitJobPerUserLimit"):
                    slurm.sbatch("true", "--hold", "--partition=low", f"--qos={name}")
                slurm.run("scancel", *slurm.queued())
                slurm.wait_until_idle(60)
        finally:
            slurm.run("scontrol", "update", "partition=low", "QoS=")
            slurm.run(*manager, "qos-=above,below")
    assert found == {"above": [4], "below": [1]}
