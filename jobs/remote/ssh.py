"""The user's own OpenSSH: aliases, jump hosts, agents and an open master as in the user's shell."""

from __future__ import annotations

import io
import os
import re
import secrets
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from jobs.remote.framed_answer import Frame, within
from jobs.remote.relayed import Relayed
from jobs.remote.remote_shell import LOGIN, Script
from jobs.remote.session import Patience, converse
from jobs.support.own_folder import own_folder
from regularize.errors import UserError

PERSIST = "10m"
CONFIG_SECONDS = 60.0  # `Match exec` may run programs
ANSWER_SECONDS = 120.0
MOST_ANSWER, MOST_WORDS = 64_000_000, 1_000_000  # bytes; of words on stderr, the last
# Startup files and `setup` may load modules from a slow disk; a person looks for a phone first.
BEGIN_SECONDS, ASKING_SECONDS = 300.0, 600.0
FAILED = 255
"""ssh's exit code for a connection that cannot be had, or was lost."""

# The user's config is for a shell: no terminal, no command and no forwarded ports of its own here.
_ALWAYS = ("-T", "-o", "RemoteCommand=none", "-o", "ClearAllForwardings=yes")
# The same, of what not every ssh knows: only where `ssh -G` says that it is so.
_UNDONE = {
    "stdinnull": ("yes", "StdinNull=no"),
    "forkafterauthentication": ("yes", "ForkAfterAuthentication=no"),
    "sessiontype": ("none", "SessionType=default"),
}
# A host that does not answer is given up soon; not where the silence may be a jump host's question.
_SILENT = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=20")

_UNKNOWN_OPTION = re.compile(r"Bad configuration option: (\w+)")


@dataclass(frozen=True)
class Answer:
    """What a script said and how it ended."""

    code: int
    out: bytes
    err: str

    @property
    def reason(self) -> str:
        """Why it failed: its last words."""
        lines = self.err.splitlines() or [f"the command there ended with code {self.code}"]
        return lines[-1].removeprefix("error: ")


@dataclass(frozen=True)
class Ssh:
    """A way to a host; with `prompts`, ssh may ask the user for passwords and codes.

    `session` undoes what a user's configuration says of sessions, `options` sees to it that there is a
    master. With `says`, a person is told on stderr what is waited for.
    """

    host: str
    options: tuple[str, ...]
    prompts: bool
    session: tuple[str, ...] = ()
    says: bool = True

    @property
    def command(self) -> list[str]:
        """The argument list, but for the host."""
        silent = () if self.prompts else _SILENT
        return ["ssh", *_ALWAYS, *silent, *self.session, *self.options]

    def run(self, script: Script, sent: bytes = b"") -> int:
        """Run a script and give it `sent` to read; its exit code. What it says goes to our streams, as text.

        What reads `sent` sees no end after it before we are gone, or the line is.

        Raises:
            SilentError: it has not begun in time.
            UserError: there is no connection, or it was lost.
        """
        out = Relayed(sys.stdout)
        frame = Frame(secrets.token_hex(8), out.feed)
        with Relayed(sys.stderr).pipe() as err:
            ended = self._converse(script, frame, sent, held=bool(sent), stderr=err)
        out.end()
        return self._code(frame, ended, "")

    def ask(
        self,
        script: Script,
        sent: bytes = b"",
        limit: float = ANSWER_SECONDS,
        *,
        held: bool = True,
        sink: Callable[[bytes], object] | None = None,
    ) -> Answer:
        """As `run`, but what it says is the answer, for whose next part it always has `limit` seconds.

        Args:
            held: False if the script is to see the end of `sent`.
            sink: takes what comes as it comes; then the answer's `out` is empty.

        Raises:
            SilentError: they have passed.
            UserError: there is no connection, or it was lost.
        """
        out = io.BytesIO()

        def keep(data: bytes) -> None:
            if out.tell() + len(data) > MOST_ANSWER:
                raise UserError(f"{self.host} answers with more than {MOST_ANSWER / 1e6:,.0f} MB")
            out.write(data)

        frame = Frame(secrets.token_hex(8), sink or keep)
        # Not a pipe: a master that ssh leaves behind may hold it open.
        with tempfile.TemporaryFile() as err:
            ended = self._converse(script, frame, sent, held=held and bool(sent), stderr=err, limit=limit)
            err.seek(max(0, err.seek(0, os.SEEK_END) - MOST_WORDS))
            said = within(frame.mark, err.read()).decode(errors="replace").strip()
        return Answer(self._code(frame, ended, said), out.getvalue(), said)

    def afresh(self) -> Ssh:
        """The same way through a master of ours, as the user's own may not know that its line is gone."""
        return replace(self, options=options({}))

    def _converse(
        self,
        script: Script,
        frame: Frame,
        sent: bytes,
        *,
        held: bool,
        stderr: IO[bytes],
        limit: float | None = None,
    ) -> int:
        begin = ASKING_SECONDS if self.prompts else limit or BEGIN_SECONDS
        return converse(
            [*self.command, "--", self.host, LOGIN],
            script.framed(frame.mark, errors=limit is not None).encode() + sent,
            frame,
            held=held,
            stderr=stderr,
            patience=Patience(host=self.host, begin=begin, rest=limit, says=self.says),
        )

    def _code(self, frame: Frame, ended: int, said: str) -> int:
        """How the script ended; where it did not, the error of a connection with what to do."""
        if frame.code is not None:
            return frame.code
        noise = frame.noise.decode(errors="replace").strip()
        words = (said or noise).splitlines()
        reason = f" ({words[-1]})" if words else ""
        if frame.begun:
            raise UserError(
                f"the line to {self.host} was lost{reason}; the same command goes on where it stopped"
            )
        if ended != FAILED and ended >= 0:
            raise UserError(
                f"{self.host} ended the session with code {ended} before our first line{reason}: see its "
                "startup files (~/.bashrc, ~/.bash_profile, ~/.profile), rules for logins and `setup:` of "
                f"the cluster config; `ssh {shlex.quote(self.host)} true` shows more"
            )
        if self.prompts:
            raise UserError(f"no connection to {self.host}{reason}")
        opening = shlex.join(["ssh", *self.options, self.host, "true"])
        raise UserError(
            f"no connection to {self.host} without a question to the user{reason}; open one "
            f"in a terminal, then the same command goes on: {opening}"
        )


def connect(host: str) -> Ssh:
    """The way to a host, with questions where there is a terminal to ask at.

    The user's own `ControlPath` is used as it is configured. Without one, without a master of its own
    making, or with one that would end with the first command, ours are added: else each would ask anew.

    Raises:
        UserError: there is no ssh, or its config is wrong.
    """
    config = _config(host)
    session = [
        word for key, (value, undo) in _UNDONE.items() if config.get(key) == value for word in ("-o", undo)
    ]
    return Ssh(host, options(config), _terminal(), tuple(session))


def _config(host: str) -> Mapping[str, str]:
    """What `ssh -G` says of a host."""
    # With a command, as without one ssh may refuse what the config says of sessions.
    command = ["ssh", "-G", "-o", "RemoteCommand=none", "--", host, "true"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=CONFIG_SECONDS
        )
    except FileNotFoundError:
        raise UserError("ssh is not installed here") from None
    except subprocess.TimeoutExpired:
        raise UserError(
            f"`{shlex.join(command)}` has not ended for {CONFIG_SECONDS:.0f} s: does a `Match exec` of your "
            "~/.ssh/config wait for something?"
        ) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        first = said[0].strip() if said else f"`{shlex.join(command)}` ended with code {done.returncode}"
        hint = ""
        if option := _UNKNOWN_OPTION.search(first):
            hint = f"; the line `IgnoreUnknown {option[1]}` above it lets every ssh read it"
        raise UserError(f"ssh knows no way to {host}: {first}{hint}")
    words = (line.partition(" ") for line in done.stdout.decode(errors="replace").splitlines())
    return {key: value for key, _, value in words}


def options(config: Mapping[str, str], folder: Path | None = None) -> tuple[str, ...]:
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
    return own_folder(folder or Path(f"/tmp/regularize-{os.getuid()}"))


def _terminal() -> bool:
    """Whether ssh can ask: it does so at the terminal itself, wherever its streams go."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
    except OSError:
        return False
    return True
