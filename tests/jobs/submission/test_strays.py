"""A job whose line in the journal is damaged: nothing is handed over beside it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from jobs.slurm.client import Slurm
from jobs.slurm.squeue import QueuedTask
from jobs.store.handed import Handed
from jobs.store.journal import append, submitting
from jobs.submission.job_outcomes import at_work
from jobs.submission.reconcile import reconcile
from regularize.errors import UserError
from regularize.store import Store
from tests.jobs.submission.test_job_outcomes import SACCT, SQUEUE, answering


def damaged(folder: Path) -> Store:
    """A store whose journal has the id of job 13, and no longer what it trains."""
    store = Store(folder)
    submitting(store.journal, Handed(token="t", name="rs-small-t", elements=((((("a",),)),),)))
    data = bytearray(store.journal.read_bytes())
    data[20] ^= 1
    store.journal.write_bytes(data)
    append(store.journal, "submitted", token="t", job_id="13")
    return store


def test_what_a_damaged_line_knew_of_a_job_has_to_end_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path)
    submitting(store.journal, Handed(token="t", name="rs-small-t", elements=((((("a",)),),),)))
    data = bytearray(store.journal.read_bytes())
    data[20] ^= 1
    store.journal.write_bytes(data)
    append(store.journal, "submitted", token="t", job_id="13")
    waiting = QueuedTask(
        job_id="13", index=None, state="PENDING", reason="None", start=None, end=None, nodes="", name=""
    )
    slurm = SimpleNamespace(queue=lambda ids: [waiting] if "13" in ids else [])
    with pytest.raises(
        UserError, match=r"what job 13 in Slurm's queue trains .*`scancel 13`, then submit again"
    ):
        reconcile(SimpleNamespace(store=store, slurm=slurm))  # type: ignore[arg-type]
    assert "damaged and left out: line 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("squeue", "sacct", "controller", "expected"),
    [
        ("running", "silent", "silent", True),
        ("ended", "running", "silent", False),
        ("silent", "running", "silent", True),
        ("garbage", "ended", "silent", False),
        ("silent", "overdue", "silent", False),
        ("silent", "garbage", "running", True),
        ("silent", "silent", "ended", False),
        ("silent", "silent", "none", False),
        ("silent", "silent", "silent", None),
        ("garbage", "garbage", "silent", None),
    ],
)
def test_squeues_silence_is_not_that_end(
    squeue: str, sacct: str, controller: str, expected: bool | None
) -> None:
    slurm = Slurm(run=answering(SQUEUE[squeue], SACCT[sacct], controller))
    assert at_work(["13"], slurm) == {"13": expected}


def test_while_nobody_has_a_word_of_it_nothing_is_submitted(tmp_path: Path) -> None:
    silent = SimpleNamespace(store=damaged(tmp_path), slurm=Slurm(run=answering("", "", "silent")))
    with pytest.raises(UserError, match=r"what job 13 trains .* squeue, sacct and scontrol are silent"):
        reconcile(silent)  # type: ignore[arg-type]
