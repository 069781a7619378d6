"""What the follow-up's batch script says of its process's end, in a real shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from jobs.submission.last_words import TOLD, last_words
from jobs.worker.slurm_task import INTERRUPTED

KILLED = "was killed, as by Slurm for its memory (`follow_up: {memory: 4G}` gives it more)"
LATE = "has reached its time limit (`follow_up: {time: 120}` gives it more)"


ENVIRONMENT = {
    "SLURM_JOB_ID": "14",
    "SLURMD_NODENAME": "n1",
    "PYTHONSAFEPATH": "1",
}


@pytest.mark.parametrize(
    ("code", "reason", "why"),
    [
        (0, "None", ""),
        (0, "TimeLimit", ""),  # reached behind its end
        (INTERRUPTED, "None", "was to be queued again, which Slurm did not do"),
        (TOLD, "NonZeroExitCode", ""),  # it has said so itself
        (TOLD, "TimeLimit", ""),
        (143, "None", ""),  # scancel, a requeue
        (143, "TimeLimit", LATE),
        (143, "None PreemptTime=None", ""),
        (143, "None PreemptTime=2026-12-01T01:11:32", "was preempted, and is not queued again"),
        (0, "None PreemptTime=2026-12-01T01:11:32", ""),
        (137, "TimeLimit", LATE),
        (137, "None", KILLED),
        (1, "None", "ended with exit code 1"),
        (127, "None", "ended with exit code 127"),
    ],
)
def test_who_is_not_looking_is_told_once_why_nothing_goes_on(
    tmp_path: Path, code: int, reason: str, why: str
) -> None:
    """Nothing of it is interpreted; the exit code of the job is that of its process."""
    heard, logs = tmp_path / "heard", tmp_path / "it's $(touch pwned)"
    for name, text in (
        ("hook", f'printf "%s|" "$@" "${{PYTHONSAFEPATH-none}}" >> {heard}'),
        ("scontrol", f'echo "JobId=$4 JobState=COMPLETING Reason={reason} Dependency=(null)"'),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    words = last_words([str(tmp_path / "hook"), "-d", "`touch pwned`"], "my'sweep", str(logs))
    done = subprocess.run(
        ["bash", "-c", "\n".join([*words, f"exit {code}"])],
        cwd=tmp_path,
        env=ENVIRONMENT | {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_RESTART_COUNT": "1"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")
    text = f"my'sweep is stopped: job 14, which was to go on, {why} ({logs}/14_0_log.out); "
    text += "`regularize submit` continues"
    told = heard.read_text(encoding="utf-8") if heard.exists() else ""
    assert told == (f"-d|`touch pwned`|{text}|none|" if why else "")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("excluded", "without", "others"),
    [("(null)", "n1", True), ("n[3-4]", "n[3-4],n1", True), ("n[2-4]", "n[2-4],n1", False)],
)
def test_it_is_queued_again_without_its_node_where_there_is_another(
    tmp_path: Path, excluded: str, without: str, others: bool
) -> None:
    """What ends without a word on a node that swallows jobs; there is no telling then.

    Slurm knows whether there is another, for this script as it asks.
    """
    asked = tmp_path / "asked"
    other = f'*) echo "$*" >> {asked} ;;'
    shown = f"JobState=RUNNING Reason=None ExcNodeList={excluded} Features=(null)"
    for name, text in (
        ("sbatch", f'echo "sbatch $*" >> {asked}; exit {int(not others)}'),
        ("sleep", "exit"),
        ("hook", f'echo "told" >> {asked}'),
        (
            "scontrol",
            f'case "$*" in *"show job"*) echo "{shown}" ;; {other} esac',
        ),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    words = last_words([str(tmp_path / "hook")], "x", "/logs")
    environment = ENVIRONMENT | {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    script = tmp_path / "script"
    script.write_text("\n".join([*words, "exit 1"]), encoding="utf-8")
    done = subprocess.run(["bash", str(script)], env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (1, b"")
    again = f"requeue 14\nupdate JobId=14 ExcNodeList={without}\n"
    looked = f"sbatch --test-only --exclude={without} {script}\n"
    assert asked.read_text(encoding="utf-8") == looked + (again if others else "told\n")


def test_once_it_is_told_to_end_nothing_more_is_begun(tmp_path: Path) -> None:
    """Neither Python after `setup:`, nor a further requeue; and nobody is told of scancel."""
    begun = tmp_path / "begun"
    for name, text in (("hook", f"echo told >> {begun}"), ("scontrol", "echo Reason=None")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    words = last_words([str(tmp_path / "hook")], "x", "/logs")
    # As Slurm does, all of the job at once.
    script = "\n".join([*words, "(kill -TERM $$; kill -TERM $BASHPID)", f"touch {begun}"])
    environment = ENVIRONMENT | {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, check=False)
    assert done.returncode == 143
    assert not begun.exists()


def test_what_it_does_at_its_end_withstands_the_signal_of_its_own_requeue(tmp_path: Path) -> None:
    """Which ends whatever of the job does not: the node would not be excluded, or nobody told."""
    asked = tmp_path / "asked"
    shown = 'echo "ExcNodeList=(null)"'
    ended = "kill -TERM $$; kill -TERM $PPID"  # a shell that begins a program in the foreground is its parent
    for name, text in (
        ("sbatch", '[ "$SLURMD_NODENAME" = n1 ]'),
        ("sleep", "exit"),
        ("hook", f'kill -TERM $$; kill -TERM $PPID; echo "told" >> {asked}'),
        ("scontrol", f'case "$*" in *"show job"*) {shown} ;; *) {ended}; echo "$*" >> {asked} ;; esac'),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    words = last_words([str(tmp_path / "hook")], "x", "/logs")
    for node, done in (("n1", "requeue 14\nupdate JobId=14 ExcNodeList=n1\n"), ("n2", "told\n")):
        asked.unlink(missing_ok=True)
        environment = ENVIRONMENT | {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURMD_NODENAME": node}
        subprocess.run(["bash", "-c", "\n".join([*words, "exit 1"])], env=environment, check=False)
        assert asked.read_text(encoding="utf-8") == done


def test_it_says_what_every_encoding_has() -> None:
    assert "\n".join(last_words(["curl", "-d"], "x", "/logs")).isascii()


def test_a_command_that_fails_is_named_in_the_log() -> None:
    script = "\n".join(
        [*last_words(["false"], "x", "/logs"), "set -euo pipefail", "module load torch 2> /dev/null"]
    )
    environment = ENVIRONMENT | {"PATH": "/usr/bin:/bin", "SLURM_RESTART_COUNT": "1"}
    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (127, "warning: notify: exit code 1\n")
