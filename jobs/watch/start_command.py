"""Commands that the interface starts: processes of their own, so that they go on when it is closed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from jobs.store.submit_lock import holder
from jobs.watch.watch_source import COMMAND_SECONDS, LEFT_OUT
from regularize.errors import UserError
from regularize.opened import read_end
from regularize.store import Store

MAIN = "import sys; from jobs.commands.cli import main; sys.exit(main())"


def run_command(store: Store, verb: str, run_ids: Sequence[str]) -> str:
    """Run a command to its end; the last of what it says.

    Raises:
        UserError: it fails, or does not end in time.
    """
    process, log = _start(store, verb, run_ids)
    try:
        code = process.wait(COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        raise UserError(
            f"{verb} did not end within {COMMAND_SECONDS:.0f} s; it goes on, and writes to {log}"
        ) from None
    return _last_words(verb, code, log)


def begin_command(store: Store, verb: str, run_ids: Sequence[str]) -> str:
    """Do not wait for its end: it trains on this machine."""
    process, log = _start(store, verb, run_ids)
    threading.Thread(target=process.wait, daemon=True).start()  # or it stays as a zombie
    while process.returncode is None and holder(store.lock) != process.pid:
        time.sleep(0.1)
    if process.returncode is not None:  # it was refused, or had nothing to do
        return _last_words(verb, process.returncode, log)
    return f"begun on this machine; it goes on when this is closed, and writes to {log}"


def _start(store: Store, verb: str, run_ids: Sequence[str]) -> tuple[subprocess.Popen[bytes], Path]:
    """Begin a command, and the log that it writes to; it goes on when the interface is closed.

    A process of its own also because submitting brings what is too heavy to be kept open all day.
    """
    chosen = ("--run", "-") if run_ids else ()  # more than an argument list holds
    with _new_log(store.logs, verb) as file, tempfile.TemporaryFile() as ids:
        ids.write("\n".join(run_ids).encode())
        ids.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, verb, str(store.folder.absolute()), *chosen],
            stdin=ids,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return process, Path(file.name)


def _new_log(logs: Path, verb: str) -> BinaryIO:
    """A log of a command's own: `retry-1.log`, `retry-2.log` …, whatever interfaces begin one at once."""
    logs.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        with suppress(FileExistsError):
            return (logs / f"{verb}-{number}.log").open("xb")
        number += 1


def _last_words(verb: str, code: int, log: Path) -> str:
    """The end of what a command said; raised, where it failed."""
    lines = read_end(log).strip().splitlines()
    if code not in (0, LEFT_OUT):
        raise UserError(lines[-1].removeprefix("error: ") if lines else f"{verb} failed ({code})")
    return "\n".join(lines[-3:])
