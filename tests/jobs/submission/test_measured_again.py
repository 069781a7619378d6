"""The rules of retries hold for packs that are measured again: progress, errors, what goes on by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jobs.cluster.cluster_config import Cluster
from jobs.planning.packing import Pack
from jobs.store import journal
from jobs.store.handed import Ending, Handed
from jobs.store.journal import Journal, read_journal
from jobs.store.pack_status import Packs
from jobs.store.planned_runs import Row
from jobs.store.unmeasured import settled, unmeasured
from jobs.submission.continuation import halted
from jobs.submission.hand_to_slurm import array_of
from jobs.submission.job_outcomes import Sight
from jobs.submission.retries import judge
from jobs.submission.told_by_packs import progress
from regularize.evaluation.settings import Evaluation
from regularize.store import PackStatus
from tests.jobs.stores import status

OLD, NEW = Evaluation(jacobian_examples=5).text, Evaluation(jacobian_examples=50).text
PACK = Pack(runs=("a", "b"), whole=60.0, measures=NEW)
ROWS = [Row(run_id=i, phase="report", dataset="d", regularizer="none", evaluation=NEW) for i in "ab"]


def packs(by: str = OLD, **changes: object) -> Packs:
    found: PackStatus = replace(status(PACK.runs, "done"), evaluation=by, **changes)
    return Packs({PACK.pack_id: found})


@pytest.fixture
def handed(tmp_path: Path) -> Handed:
    """As the journal has it."""
    journal.submitting(tmp_path / "journal.jsonl", array_of("x", [[[PACK]]], None))
    return read_journal(tmp_path / "journal.jsonl").handed[0]


def test_it_is_progress_if_a_pack_is_measured_as_was_asked_for(handed: Handed) -> None:
    assert dict(handed.measures) == {NEW: [PACK.pack_id]}
    assert not progress(handed, 0, packs())
    assert not progress(handed, 0, packs("")), "killed while the tables were written"
    assert progress(handed, 0, packs(NEW))
    training = replace(handed, measures={})
    assert progress(training, 0, packs())


def test_after_attempts_in_vain_it_waits_for_a_person(handed: Handed) -> None:
    ended = [replace(handed, endings={0: Ending("TIMEOUT", False, line)}) for line in (2, 4, 6)]
    verdict = judge(Journal(handed=tuple(ended)), packs(), Cluster(kind="slurm"))
    assert set(verdict.left_out) == {"a", "b"}


def test_an_error_waits_for_a_person_until_it_is_retried() -> None:
    failed, cluster = packs(measuring_failed=True, updated_at="2026-01-02"), Cluster(kind="slurm")
    assert dict(judge(Journal(), failed, cluster).left_out) == {"a": "failed", "b": "failed"}
    again = Journal(retried={"a": (1, "2026-01-03"), "b": (1, "2026-01-03")})
    assert not judge(again, failed, cluster).left_out
    both = Packs({**packs().statuses, "p": status(["a"], "failed")})
    assert not judge(Journal(), both, cluster).left_out, "a run that is done elsewhere has not failed"


def test_runs_to_measure_are_unfinished_business(handed: Handed, tmp_path: Path) -> None:
    assert unmeasured(ROWS, packs()) == {"a", "b"}
    assert settled(ROWS, packs()) == set()
    assert settled(ROWS, packs(NEW)) == {"a", "b"}
    old_table = [replace(row, evaluation="") for row in ROWS]
    assert settled(old_table, packs()) == {"a", "b"}
    sight = Sight(
        journal=Journal(handed=(replace(handed, job_id="13", endings={0: Ending("FAILED", False)}),)),
        live={},
        gone={},
    )
    assert "`regularize submit` continues" in halted(ROWS, sight, settled(ROWS, packs()), (), tmp_path)
    assert halted(ROWS, sight, settled(ROWS, packs(NEW)), (), tmp_path) == ""
