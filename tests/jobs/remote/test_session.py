"""Sessions of programs that stand in for ssh: how long each step of one may take."""

from __future__ import annotations

import sys
import tempfile
import time

import pytest

from jobs.remote import session
from jobs.remote.framed_answer import Frame
from jobs.remote.session import Patience, SilentError, converse
from regularize.errors import UserError

BEGIN, END = r"printf '\036mark\n'; ", r"printf '\036mark 7\n'; "


def talk(
    script: str, sent: bytes = b"", *, begin: float = 60, rest: float | None = 60, says: bool = False
) -> tuple[bytes, int | None]:
    """What a shell's script answers, and with which code."""
    found: list[bytes] = []
    frame = Frame("mark", found.append)
    patience = Patience(host="far", begin=begin, rest=rest, says=says)
    converse(["sh", "-c", script], sent, frame, held=True, stderr=None, patience=patience)
    return b"".join(found), frame.code


def test_what_is_left_open_after_the_answer_is_not_waited_for() -> None:
    began = time.monotonic()
    assert talk(f"sleep 60 & {BEGIN} echo yes; {END} cat") == (b"yes\n", 7)
    assert talk(f"{BEGIN} {END}", b"x" * 10_000_000) == (b"", 7)  # nobody reads it
    assert time.monotonic() - began < 30


def test_a_program_that_ends_is_not_waited_for_by_who_has_its_pipe() -> None:
    began = time.monotonic()
    assert talk("sleep 60 & echo noise") == (b"", None)
    assert time.monotonic() - began < 30


def test_both_ways_at_once() -> None:
    size = 3_000_000
    answer, code = talk(f"{BEGIN} head -c {size}; {END}", b"x" * size)
    assert (len(answer), code) == (size, 7)


def test_every_wait_has_an_end_and_a_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session, "NOTICE_SECONDS", 0.3)
    with pytest.raises(
        SilentError, match="far has not answered for 1 s: no connection, or its startup files"
    ):
        talk("echo noise; exec sleep 60", begin=1, says=True)
    assert "waiting for far: to connect, and its startup files to end" in capsys.readouterr().err
    with pytest.raises(SilentError, match=r"far has not answered for 1 s$"):
        talk(f"{BEGIN} exec sleep 60", rest=1)
    answer, _ = talk(f"{BEGIN} for i in 1 2 3 4; do sleep 0.5; echo $i; done; {END}", begin=1, rest=1.5)
    assert answer == b"1\n2\n3\n4\n"  # each in time


def test_no_such_program() -> None:
    patience = Patience(host="far", begin=1, rest=1, says=False)
    with pytest.raises(UserError, match="no-such is not installed here"):
        converse(["no-such"], b"", Frame("m", sys.stdout.write), held=True, stderr=None, patience=patience)


def test_what_is_said_beside_the_answer_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MOST_SAID", 1_000_000)
    patience = Patience(host="far", begin=60, rest=60, says=False)
    talks = "import sys\nwhile True: sys.stderr.write('noise' * 10_000)"
    command, frame = [sys.executable, "-c", talks], Frame("mark", print)
    with tempfile.TemporaryFile() as said, pytest.raises(UserError, match="far says more than 1 MB beside"):
        converse(command, b"", frame, held=True, stderr=said, patience=patience)
