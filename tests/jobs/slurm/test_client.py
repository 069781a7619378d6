"""Which programs are run how often, and what becomes of a controller that does not answer.

The programs are stood in for here, at the subprocess; `tests/cluster` runs the real ones.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from jobs.slurm.client import Done, Slurm, run_program
from regularize.errors import UserError

GOOD = Done(code=0, out="13_4|RUNNING|None|N/A|N/A|n1|rs-a-1\n", err="")
DOWN = Done(
    code=1, out="", err="slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"
)
SLOW = Done(code=1, out="", err="slurm_load_jobs error: Socket timed out on send/recv operation\n")


class Programs:
    """Answers one after the other, the last one again and again; keeps what was run and said."""

    def __init__(self, *answers: Done) -> None:
        self._answers = list(answers)
        self.commands: list[Sequence[str]] = []
        self.said: list[str] = []
        self.slept: list[float] = []

    def slurm(self, patience: float = 300.0) -> Slurm:
        return Slurm(
            run=self.run, say=self.said.append, patience=patience, sleep=self.slept.append, clock=lambda: 0.0
        )

    def run(self, command: Sequence[str], given: str | None) -> Done:
        self.commands.append(command)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def test_one_squeue_and_one_sacct_however_many_jobs() -> None:
    programs = Programs(GOOD)
    (task,) = programs.slurm().queue(["13", "14", "15"])
    assert (task.job_id, task.index) == ("13", 4)
    assert programs.slurm().accounting(["13", "14"]) == ()
    assert [command[0] for command in programs.commands] == ["squeue", "sacct"]
    assert "--jobs=13,14,15" in programs.commands[0]
    assert "--duplicates" in programs.commands[1]


def test_without_jobs_nothing_is_asked() -> None:
    programs = Programs(GOOD)
    slurm = programs.slurm()
    assert slurm.queue([]) == slurm.queue_by_name([]) == slurm.accounting([]) == ()
    slurm.cancel([])
    assert programs.commands == []


def test_jobs_that_slurm_has_forgotten_are_absent() -> None:
    forgotten = Done(code=1, out="", err="slurm_load_jobs error: Invalid job id specified\n")
    assert Programs(forgotten).slurm().queue(["9999"]) == ()
    assert Programs(forgotten).slurm().state_of("9999") == ""


def test_a_controller_that_comes_back_is_waited_for() -> None:
    programs = Programs(DOWN, SLOW, GOOD)
    assert len(programs.slurm().queue(["13"])) == 1
    assert programs.slept == [5.0, 10.0]
    assert programs.said == [
        f"Slurm does not answer ({DOWN.said}); trying again in 5 s",
        f"Slurm does not answer ({SLOW.said}); trying again in 10 s",
    ]


def test_the_waiting_is_bounded() -> None:
    programs = Programs(DOWN)
    with pytest.raises(UserError, match=r"Slurm has not answered for 300 s: .*Unable to contact"):
        programs.slurm().queue(["13"])
    assert sum(programs.slept) == 300
    assert max(programs.slept) == 60


def test_what_programs_take_to_fail_counts_as_waiting() -> None:
    """As where each is tried for 120 seconds before it is given up."""
    programs, now = Programs(DOWN), [0.0]

    def run(command: Sequence[str], given: str | None) -> Done:
        now[0] += 120
        return programs.run(command, given)

    def sleep(seconds: float) -> None:
        now[0] += seconds
        programs.slept.append(seconds)

    slurm = Slurm(run=run, say=programs.said.append, sleep=sleep, clock=lambda: now[0])
    with pytest.raises(UserError, match=r"Slurm has not answered for 375 s"):
        slurm.queue(["13"])
    assert (now[0], programs.slept) == (375.0, [5.0, 10.0])


def test_a_program_that_hangs_is_given_up_after_the_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("squeue", "sacct"):
        (tmp_path / name).write_text("#!/bin/sh\nexec sleep 600\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("jobs.slurm.client.LEAST_TIMEOUT", 0.1)
    with pytest.raises(UserError, match=r"has not answered for .*squeue timed out after"):
        Slurm(patience=0.1).queue(["13"])
    assert Slurm(patience=0.1).accounting(["13"]) is None


def test_other_failures_are_errors_at_once() -> None:
    programs = Programs(Done(code=1, out="", err="scontrol: error: Access denied\n"))
    with pytest.raises(UserError, match="scontrol failed: scontrol: error: Access denied"):
        programs.slurm().requeue("13_4")
    assert programs.slept == []


def test_no_account_is_not_a_failure() -> None:
    disabled = Done(code=1, out="", err="Slurm accounting storage is disabled\n")
    unreachable = Done(
        code=1, out="", err="sacct: error: Problem talking to the database: Connection refused\n"
    )
    for answer in (disabled, unreachable):
        programs = Programs(answer)
        assert programs.slurm().accounting(["13"]) is None
        assert programs.slept == []


def test_a_host_without_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match=r"there is no squeue on this host.*module load slurm"):
        run_program(["squeue"])


def test_a_program_that_is_there_and_cannot_be_started_is_not_said_to_lack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "squeue").write_bytes(b"\x7fELF of another machine")
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"^squeue cannot be started: Exec format error$"):
        run_program(["squeue"])

    def none_left(*_: object, **__: object) -> NoReturn:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr("subprocess.run", none_left)
    with pytest.raises(UserError, match=r"has not answered for .*squeue cannot be started: Resource temp"):
        Slurm(patience=0.0).queue(["13"])  # which is tried again, with more patience


def test_what_programs_print_and_read() -> None:
    done = run_program(["sh", "-c", "cat; echo oops >&2; echo more >&2; exit 3"], "given")
    assert (done.code, done.out, done.said) == (3, "given", "oops; more")


def _keys(environment: Iterable[str]) -> set[str]:
    return {key for key in environment if key.startswith(("SLURM", "SBATCH"))}


def test_programs_do_not_see_the_job_that_they_are_run_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("SLURM_JOB_ID", "SLURM_MEM_PER_CPU", "SBATCH_PARTITION", "SLURM_CPU_BIND"):
        monkeypatch.setenv(key, "1")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    lines = run_program(["env"]).out.splitlines()
    assert _keys(line.partition("=")[0] for line in lines) == {
        "SLURM_CONF",
        "SLURM_BITSTR_LEN",
        "SLURM_TIME_FORMAT",
    }
