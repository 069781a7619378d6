"""The user's own OpenSSH: aliases, jump hosts, agents and an open master as in the user's shell."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from jobs.remote.remote_shell import LOGIN
from regularize.errors import UserError

PERSIST = "10m"
FAILED = 255
"""ssh's exit code for a connection that cannot be had, or was lost."""

# The user's config is for a shell: no terminal, no command and no forwarded ports of its own here.
_ALWAYS = ("-T", "-o", "RemoteCommand=none", "-o", "ClearAllForwardings=yes")
# A host that does not answer is given up soon; not where the silence may be a jump host's question.
_SILENT = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=20")


class SilentError(UserError):
    """The host has not answered in the time that it had."""


@dataclass(frozen=True)
class Answer:
    """What a script said and how it ended."""

    code: int
    out: bytes
    err: str


@dataclass(frozen=True)
class Ssh:
    """A way to a host; with `prompts`, ssh may ask the user for passwords and codes."""

    host: str
    options: tuple[str, ...]
    prompts: bool

    @property
    def command(self) -> list[str]:
        """The argument list, but for the host."""
        return ["ssh", *_ALWAYS, *([] if self.prompts else _SILENT), *self.options]

    def run(self, script: str, sent: bytes = b"") -> int:
        """Run a script, its streams being ours, and give it `sent` to read; its exit code.

        What reads `sent` sees no end after it before we are gone, or the line is.

        Raises:
            UserError: there is no connection, or it was lost.
        """
        done = _run([*self.command, "--", self.host, LOGIN], script.encode() + sent, held=bool(sent))
        if done.returncode == FAILED or done.returncode < 0:
            raise self.lost()
        return done.returncode

    def ask(self, script: str, sent: bytes = b"", limit: float | None = None) -> Answer:
        """As `run`, but what it says is the answer, for which it has `limit` seconds.

        Raises:
            SilentError: they have passed.
            UserError: there is no connection, or it was lost.
        """
        command, began = [*self.command, "--", self.host, LOGIN], time.monotonic()
        # Not pipes: a master that ssh leaves behind may hold them open.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            done = _run(command, script.encode() + sent, held=bool(sent), stdout=out, stderr=err, limit=limit)
            for file in (out, err):
                file.seek(0)
            answer = Answer(done.returncode, out.read(), err.read().decode(errors="replace").strip())
        if answer.code < 0 and limit and time.monotonic() - began >= limit:
            raise SilentError(f"{self.host} has not answered for {limit:.0f} s")
        if answer.code == FAILED or answer.code < 0:
            raise self.lost(answer.err)
        return answer

    def afresh(self) -> Ssh:
        """The same way through a master of ours, as the user's own may not know that its line is gone."""
        return replace(self, options=options({}))

    def rsync(self, arguments: Sequence[str], sent: bytes = b"") -> str:
        """Run rsync; the names that it prints.

        Raises:
            UserError: it failed; what has arrived is kept.
        """
        command = ["rsync", "--protect-args", f"--rsh={shlex.join(self.command)}", *arguments]
        done = _run(command, sent, stdout=subprocess.PIPE)
        if done.returncode == 24:  # a file was replaced while it was read: the next time
            done.returncode = 0
        if done.returncode:
            raise UserError(
                f"rsync with {self.host} ended with code {done.returncode} before all was there; "
                "the same command goes on where it stopped"
            )
        return done.stdout.decode(errors="surrogateescape")

    def lost(self, said: str = "") -> UserError:
        """The error of a connection that cannot be had or was lost, with what to do."""
        reason = f" ({said.splitlines()[-1]})" if said else ""
        if self.prompts:
            return UserError(
                f"no connection to {self.host}, or it was lost{reason}; the same command goes on where "
                "it stopped"
            )
        opening = shlex.join(["ssh", *self.options, self.host, "true"])
        return UserError(
            f"no connection to {self.host} without a question to the user, or it was lost{reason}; open one "
            f"in a terminal, then the same command goes on: {opening}"
        )


def connect(host: str) -> Ssh:
    """The way to a host, with questions where there is a terminal to ask at.

    The user's own `ControlPath` is used as it is configured. Without one, without a master of its own
    making, or with one that would end with the first command, ours are added: else each would ask anew.

    Raises:
        UserError: there is no ssh, or its config is wrong.
    """
    done = _run(["ssh", "-G", "--", host], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise UserError(f"ssh knows no way to {host}: {done.stderr.decode(errors='replace').strip()}")
    words = (line.partition(" ") for line in done.stdout.decode(errors="replace").splitlines())
    config = {key: value for key, _, value in words}
    return Ssh(host, options(config), _terminal())


def options(config: dict[str, str], folder: Path | None = None) -> tuple[str, ...]:
    """What is to be added to a user's configuration, as `ssh -G` tells it; `folder` is for our sockets."""
    values = {}
    if config.get("controlpath", "none") == "none":
        values["ControlPath"] = f"{folder or control_folder()}/%C"
    if config.get("controlmaster", "false") in ("false", "no"):
        values["ControlMaster"] = "auto"
    if config.get("controlpersist", "no") in ("false", "no"):
        values["ControlPersist"] = PERSIST
    if config.get("serveraliveinterval", "0") == "0":
        values["ServerAliveInterval"] = "15"
    return tuple(word for key, value in values.items() for word in ("-o", f"{key}={value}"))


def control_folder(folder: Path | None = None) -> Path:
    """A folder for sockets that nobody else can enter; short, as a socket's path has 104 characters at most.

    Raises:
        UserError: somebody else has made it.
    """
    folder = folder or Path(f"/tmp/regularize-{os.getuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise UserError(f"{folder} is not a folder of yours alone (mode 700); remove it")
    return folder


def _terminal() -> bool:
    """Whether ssh can ask: it does so at the terminal itself, wherever its streams go."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
    except OSError:
        return False
    return True


def _run(
    command: Sequence[str],
    sent: bytes = b"",
    *,
    held: bool = False,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    limit: float | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program that reads `sent`; then its input ends, unless it is `held` open until it has ended.

    After `limit` seconds it is killed.
    """
    try:
        process = subprocess.Popen(command, bufsize=0, stdin=subprocess.PIPE, stdout=stdout, stderr=stderr)
    except FileNotFoundError:
        raise UserError(f"{command[0]} is not installed here") from None
    with process, _killing(process, limit):
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended without reading everything
            left = memoryview(sent)
            while left:
                left = left[process.stdin.write(left) :]
        if not held:
            process.stdin.close()
        said = process.stdout.read() if process.stdout else b""
        return subprocess.CompletedProcess(command, process.wait(), said)


@contextmanager
def _killing(process: subprocess.Popen[bytes], limit: float | None) -> Iterator[None]:
    """Kill a process that is still in hand after `limit` seconds."""
    timer = threading.Timer(limit or 0, process.kill)
    if limit:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
