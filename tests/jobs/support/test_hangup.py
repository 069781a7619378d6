"""What the hang-up of a terminal does to a command that waits, with nohup and without."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, signal, sys
from jobs.support.hangup import hang_up_at_end_of, interrupted_by_hangup
if sys.argv[1:] == ["behind ssh"]:
    hang_up_at_end_of(0)
try:
    with interrupted_by_hangup():
        if sys.argv[1:]:
            signal.pause()
        os.kill(os.getpid(), signal.SIGHUP)
    print("went on")
except KeyboardInterrupt:
    print("left", file=sys.stderr)
    sys.exit(130)
"""


def waits(handler: signal.Handlers, *arguments: str) -> tuple[int, str]:
    """How a command that inherits this for SIGHUP ends, and what it says."""
    path = os.pathsep.join([str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")])
    before = signal.signal(signal.SIGHUP, handler)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments],
            stdin=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        signal.signal(signal.SIGHUP, before)
    return ended.returncode, ended.stdout


@pytest.mark.parametrize(
    ("handler", "expected"), [(signal.SIG_IGN, (0, "went on\n")), (signal.SIG_DFL, (130, ""))]
)
def test_a_hang_up_ends_the_waiting_but_with_nohup(
    handler: signal.Handlers, expected: tuple[int, str]
) -> None:
    assert waits(handler) == expected


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_behind_ssh_the_end_of_the_input_ends_it_whatever_was_inherited(handler: signal.Handlers) -> None:
    assert waits(handler, "behind ssh")[0] == 130
