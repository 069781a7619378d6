"""A job whose line in the journal is damaged: nothing is handed over beside it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from jobs.slurm.squeue import QueuedTask
from jobs.store.handed import Handed
from jobs.store.journal import append, submitting
from jobs.submission.reconcile import reconcile
from regularize.errors import UserError
from regularize.store import Store


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
