"""Commands in forks of one loaded interpreter: to start Python and torch takes longer than a small sweep.

The workers of such a command are forks, too; all else is as always.
"""

from __future__ import annotations

import ctypes
import errno
import io
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path
from types import SimpleNamespace
from typing import IO, NoReturn

from jobs.commands.cli import main
from jobs.local import worker_processes
from jobs.worker import local_task

ROOT = Path(__file__).parents[2]
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
Surroundings = Callable[[], object]
"""Changes the process that a command is about to run in."""


class Fork:
    """A command that runs in a folder, with so much of `subprocess.Popen` as is needed."""

    def __init__(self, folder: Path, words: Sequence[str], within: Surroundings | None = None) -> None:
        self._told = [tempfile.NamedTemporaryFile() for _ in range(2)]  # noqa: SIM115
        names = [Path(file.name) for file in self._told]
        self._process = _server().Process(target=_command, args=(folder, words, within, names))
        self._process.start()
        self.pid = int(self._process.pid or 0)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float) -> None:
        self._process.join(timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired("a fork", timeout)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Wait for the end; stdout and stderr."""
        self.wait(timeout)
        out, err = (file.read().decode(errors="replace") for file in self._told)
        return out, err

    @property
    def returncode(self) -> int:
        return int(self._process.exitcode or 0)


@cache
def _server() -> ForkServerContext:
    context = get_context("forkserver")
    os.environ |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    context.set_forkserver_preload(["tests.faults.loaded"])
    return context


def _command(
    folder: Path, words: Sequence[str], within: Surroundings | None, told: Sequence[Path]
) -> NoReturn:
    os.setsid()
    os.chdir(folder)
    out, err = (os.open(path, os.O_WRONLY | os.O_APPEND) for path in told)
    _write_to(out, err)
    worker_processes.subprocess, worker_processes.POLL_SECONDS = WORKERS, 0.05
    if within:
        within()
    sys.exit(main(words))


def _write_to(out: int, err: int) -> None:
    os.dup2(out, 1)
    os.dup2(err, 2)
    sys.stdout, sys.stderr = (
        os.fdopen(number, "w", buffering=1, encoding="utf-8", closefd=False) for number in (1, 2)
    )


class Worker:
    """A worker that is a fork, with so much of `subprocess.Popen` as a submission needs."""

    def __init__(self, _: Sequence[str], *, stdout: IO[bytes], env: Mapping[str, str], **__: object) -> None:
        read, write = os.pipe()
        self._process = get_context("fork").Process(target=_work, args=(read, write, stdout.fileno(), env))
        # What runs beside a fork swallows an interrupt, with a traceback; the start of a program has no such.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        self._process.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        os.close(read)
        self.stdin, self.terminate = os.fdopen(write, "w"), self._process.terminate
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    @property
    def returncode(self) -> int | None:
        return self.poll()


WORKERS = SimpleNamespace(Popen=Worker, PIPE=subprocess.PIPE, STDOUT=subprocess.STDOUT)


def _work(read: int, write: int, told: int, env: Mapping[str, str]) -> NoReturn:
    for number in _ENDING:
        signal.signal(number, signal.SIG_DFL)  # as in a new program
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    os.close(write)
    os.setsid()
    os.environ.update(env)
    sys.stdin = os.fdopen(read)
    _write_to(told, told)
    sys.exit(local_task.main())


def no_links() -> None:
    """As on FAT, and some file systems of networks."""

    def link(source: object, target: object) -> NoReturn:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(source), None, str(target))

    os.link = link  # type: ignore[assignment]


def powerless() -> None:
    """Root who may no more than others: without CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""
    libc, sets = ctypes.CDLL(None, use_errno=True), (ctypes.c_uint32 * 6)()
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    assert libc.capget(header, sets) == 0, os.strerror(ctypes.get_errno())
    sets[0] &= ~0b110
    assert libc.capset(header, sets) == 0, os.strerror(ctypes.get_errno())


def latin_terminal() -> None:
    _terminal("iso-8859-1")


def ascii_terminal() -> None:
    _terminal("ascii")


def _terminal(encoding: str) -> None:
    for stream in (sys.stdout, sys.stderr):
        assert isinstance(stream, io.TextIOWrapper)
        stream.reconfigure(encoding=encoding, errors="strict")
