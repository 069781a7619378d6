"""A sweep that was stopped for what failed on one node: what a submission, a plan and a status leave out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from jobs.cluster.cluster_config import Cluster
from jobs.planning.prepare_submission import Submission
from jobs.planning.sweep_data import prepare_data
from jobs.slurm.client import Done, Slurm
from jobs.status.going_on import given_up
from jobs.store import submitted_settings
from jobs.store.handed import Handed
from jobs.store.journal import append, read_journal, submitting
from jobs.store.pack_status import read_packs
from jobs.store.planned_runs import read_rows
from jobs.store.runs_table import write_runs
from jobs.store.stopped import stop_if_alike, stopped
from jobs.submission import runs_in_hand
from jobs.submission.follow_up_job import way_to_slurm
from jobs.submission.job_outcomes import look
from jobs.submission.reconcile import reconcile
from jobs.submission.submit_ready import submit_ready
from jobs.sweep.run_grid import tune_runs
from jobs.sweep.sweep_file import load_sweep
from regularize.store import Store
from tests.jobs.stores import write_pack
from tests.jobs.sweeps import BASE

ENDED = "13_{0}|COMPLETED|0:0|5|{1}|None|Unknown|Unknown||00:00:00|1G|1|1|20||||rs-x-t\n"


def slurm(*, running: bool) -> Slurm:
    """Of an array two elements have ended on n1; one is at work on n2, which takes no other, or is over."""
    answers = {
        "squeue": "13_2|RUNNING|None|N/A|N/A|n2|rs-x-t\n" if running else "",
        "sinfo": "main|n1|idle\nmain|n2|drained\n",
        "scontrol": "PartitionName=main Default=YES MaxTime=UNLIMITED\n",
    }

    def run(command: Sequence[str], _: str | None) -> Done:
        if command[0] == "sacct":
            over = "" if running else ENDED.format(2, "n2")
            return Done(code=0, out=ENDED.format(0, "n1") + ENDED.format(1, "n1") + over, err="")
        return Done(code=0, out=answers.get(command[0], ""), err="")

    return Slurm(run=run)


@pytest.fixture
def submission(tmp_path: Path) -> Submission:
    """Six runs in packs of one: two failed on n1, where no further one is begun, and a third was begun."""
    (tmp_path / "sweep.yaml").write_text(BASE, encoding="utf-8")
    sweep, store = load_sweep(tmp_path / "sweep.yaml"), Store(tmp_path / "store")
    runs = tune_runs(sweep)
    write_runs(store, runs, complete=True)
    ids = [run.config.run_id for run in runs]
    submitting(store.journal, Handed(token="t", name="rs-x-t", elements=tuple((((i,),),) for i in ids[:3])))
    append(store.journal, "submitted", token="t", job_id="13")
    for index, run_id in enumerate(ids[:2]):
        paths = write_pack(store, [run_id], "failed", host="n1", job=f"13_{index}_0")
        paths.error.write_text("ValueError: no", encoding="utf-8")
    stop_if_alike(store, 2)
    # No element is to be handed over, only planned: as many are at work as may be.
    cluster = Cluster(kind="slurm", max_failures=2, max_jobs=1, follow_up=None, pack_runs=1)
    found = Submission(
        sweep=sweep, store=store, cluster=cluster, data_root=None, overrides=(), console=Console()
    )
    submitted_settings.save(store, sweep, found.saved)
    return found


@pytest.mark.parametrize(("running", "without"), [(True, 3), (False, 6)])
def test_all_runs_wait_only_once_no_job_is_at_work_elsewhere(
    submission: Submission, monkeypatch: pytest.MonkeyPatch, running: bool, without: int
) -> None:
    """One is in hand then, and the two that failed are left out."""
    store, programs = submission.store, slurm(running=running)
    facts = prepare_data(submission.sweep, submission.data_root, lambda _: None)
    turn = submit_ready(submission, facts, way_to_slurm(store, submission.saved, programs))
    assert turn.jobs == []
    assert stopped(store), "no other node takes jobs"
    assert len(turn.plan.held) == without
    packs = read_packs(store)
    monkeypatch.setattr(runs_in_hand, "Slurm", lambda: programs)
    assert len(runs_in_hand.without(store, packs, submission.cluster)) == without
    told = given_up(store, read_rows(store), look(read_journal(store.journal), programs), packs)
    assert len(told) == (2 if running else 6)


def test_what_did_well_since_is_seen_before_a_submission_takes_the_note_back(
    submission: Submission, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, programs = submission.store, slurm(running=False)
    third = list(read_journal(store.journal).arrays[0].runs(2))
    write_pack(store, third, "done", host="n2", job="13_2_0", updated_at="2999-01-01T00:00:00")
    _, packs = reconcile(way_to_slurm(store, submission.saved, programs))
    assert stopped(store)
    monkeypatch.setattr(runs_in_hand, "Slurm", lambda: programs)
    assert runs_in_hand.without(store, packs, submission.cluster) == {}, "n1 is at fault: others try them"
    assert given_up(store, read_rows(store), look(read_journal(store.journal), programs), packs) == {}
