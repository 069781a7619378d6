"""One call of ssh: what it is given to read, what of its output is the answer, and how long that may take."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from jobs.remote.framed_answer import Frame
from regularize.errors import UserError

NOTICE_SECONDS = 30.0
_TICK = 0.2
_LEAVE_SECONDS = 1.0  # after the answer; what else holds the session open is not waited for
_CHUNK = 1 << 16
_OF_A_TERMINAL = (signal.SIGINT, signal.SIGHUP)
_SAME_KEY_SECONDS = 0.3  # in which a Ctrl-C that has ended ssh, its terminal's too, comes to us
MOST_SAID = 64_000_000  # bytes on stderr, where that is kept in a file


class SilentError(UserError):
    """The host has not answered in the time that it had."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Seconds until an answer must have begun, and how long it may rest then (None: as it likes).

    With `says`, a person is told what is waited for.
    """

    host: str
    begin: float
    rest: float | None
    says: bool


def converse(
    command: Sequence[str],
    sent: bytes,
    frame: Frame,
    *,
    held: bool,
    stderr: IO[bytes] | None,
    patience: Patience,
) -> int:
    """Run a program that reads `sent` until its answer is whole, or it has ended; its exit code.

    Args:
        held: its input has no end before its answer has; else it ends after `sent`.

    Raises:
        SilentError: it took too long, and was killed.
        UserError: there is no such program, or it says too much beside its answer.
    """
    with _running(command, sent, held, stderr) as (process, writer):
        _read(process, frame, writer, patience, stderr)
        writer.join(_LEAVE_SECONDS)  # longer, if nobody reads what is left
        writer.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LEAVE_SECONDS)
        if frame.code is None:
            time.sleep(_SAME_KEY_SECONDS)
    return process.returncode


def _read(
    process: subprocess.Popen[bytes],
    frame: Frame,
    writer: _Writer,
    patience: Patience,
    stderr: IO[bytes] | None,
) -> None:
    stdout = process.stdout
    assert stdout is not None
    start = moved = time.monotonic()
    noticed = not patience.says
    while frame.code is None:
        if select.select([stdout], [], [], _TICK)[0]:
            data = os.read(stdout.fileno(), _CHUNK)
            if not data:
                return
            frame.feed(data)
            moved = time.monotonic()
        elif process.poll() is not None:  # a master that it left may hold the pipe open
            return
        if stderr and os.fstat(stderr.fileno()).st_size > MOST_SAID:  # 0 of a pipe, which is read
            raise UserError(f"{patience.host} says more than {MOST_SAID / 1e6:,.0f} MB beside its answer")
        now = time.monotonic()
        if frame.begun:
            if patience.rest and now - max(moved, writer.moved) > patience.rest:
                raise SilentError(f"{patience.host} has not answered for {patience.rest:.0f} s")
        elif now - start > patience.begin:
            raise SilentError(
                f"{patience.host} has not answered for {patience.begin:.0f} s: no connection, or its startup "
                "files do not end"
            )
        elif not noticed and now - start > NOTICE_SECONDS:
            noticed = True
            print(f"\nwaiting for {patience.host}: to connect, and its startup files to end", file=sys.stderr)


class _Writer(threading.Thread):
    """Writes while answers are read; `moved` is when it could last."""

    def __init__(self, stream: IO[bytes], sent: bytes, *, held: bool) -> None:
        super().__init__(daemon=True)
        self.moved = time.monotonic()
        self._stream, self._sent, self._held = stream, sent, held
        self.start()

    def run(self) -> None:
        left = memoryview(self._sent)
        with suppress(BrokenPipeError):  # it has ended without reading everything
            while left:
                left = left[self._stream.write(left[:_CHUNK]) :]
                self.moved = time.monotonic()
            if not self._held:
                self._stream.close()

    def close(self) -> None:
        """The end of the input, once all is written."""
        if not self.is_alive():
            self._stream.close()


@contextmanager
def _running(
    command: Sequence[str], sent: bytes, held: bool, stderr: IO[bytes] | None
) -> Iterator[tuple[subprocess.Popen[bytes], _Writer]]:
    """A program that is killed at the end, if it has not ended by itself."""
    pipe = subprocess.PIPE
    try:
        with _ignoring_as_we_do():
            process = subprocess.Popen(command, bufsize=0, stdin=pipe, stdout=pipe, stderr=stderr)
    except FileNotFoundError:
        raise UserError(f"{command[0]} is not installed here") from None
    assert process.stdin is not None
    assert process.stdout is not None
    writer = _Writer(process.stdin, sent, held=held)
    try:
        yield process, writer
    finally:
        process.terminate()  # nothing, if it has ended; else ssh gives the terminal its echo back
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LEAVE_SECONDS)
        process.kill()
        process.wait()
        writer.join(_LEAVE_SECONDS)
        writer.close()
        process.stdout.close()


@contextmanager
def _ignoring_as_we_do() -> Iterator[None]:
    """Blocks what this process ignores, as with nohup or behind `&` in a script: ssh heeds those signals even
    if it was begun with them ignored, and the line would be lost.
    """
    ignored = [number for number in _OF_A_TERMINAL if signal.getsignal(number) is signal.SIG_IGN]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ignored)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
