from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jobs.slurm.client import Done, Slurm
from jobs.store.journal import Handed, append, submitting
from jobs.submission.job_outcomes import CANCELLED, UNKNOWN, look_now


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
    assert (set(sight.live), sight.gone) == ({("second", 0)}, {("first", 0): UNKNOWN})


def test_an_idle_sweep_is_looked_at_once(tmp_path: Path) -> None:
    path, asked = tmp_path / "journal.jsonl", []
    hand_over(path, "first", "13")

    def run(command: Sequence[str], _: str | None) -> Done:
        asked.append(command[0])
        return Done(code=0, out="", err="")

    assert look_now(path, Slurm(run=run)).live == {}
    assert asked == ["squeue", "sacct"]


def test_what_we_cancelled_while_it_was_pending_is_not_unknown_though_slurm_keeps_no_account(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.jsonl"
    hand_over(path, "first", "13")
    append(path, "cancelled", runs=["a"], elements=[["first", 0]])
    sight = look_now(path, Slurm(run=lambda *_: Done(code=0, out="", err="")))
    assert sight.gone == {("first", 0): CANCELLED}
