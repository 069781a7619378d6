"""Daemons that end with this process, whatever way it ends, and what they said if they did not start."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class Processes:
    """Starts processes through the supervisor; when all have ended, `folder` and `groups` are removed."""

    def __init__(self, folder: Path, groups: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._environment = folder, dict(environment)
        self._pids: dict[str, int] = {}
        self._supervisor = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("supervisor.py")), str(folder), str(groups)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def start(self, name: str, argv: Sequence[str]) -> None:
        """Start a daemon that stays in the foreground; its output goes to `<folder>/<name>.log`."""
        assert self._supervisor.stdin is not None
        assert self._supervisor.stdout is not None
        request = [list(argv), self._environment, str(self.log(name))]
        self._supervisor.stdin.write(json.dumps(request) + "\n")
        self._supervisor.stdin.flush()
        self._pids[name] = int(self._supervisor.stdout.readline())

    def log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def pid(self, name: str) -> int:
        return self._pids[name]

    def running(self, name: str) -> bool:
        return Path(f"/proc/{self._pids.get(name, 0)}").exists()

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal and wait until the process is gone."""
        pid = self._pids.pop(name)
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        wait_for(f"the end of {name}", lambda: not Path(f"/proc/{pid}").exists(), 20)

    def await_port(self, name: str, port: int, seconds: float = 30) -> None:
        """Wait until a daemon listens.

        Raises:
            RuntimeError: it has ended instead; with the last lines of its log.
        """

        def listens() -> bool:
            if not Path(f"/proc/{self._pids[name]}").exists():
                last = self.log(name).read_text(errors="replace").splitlines()[-10:]
                raise RuntimeError(f"{name} has ended:\n" + "\n".join(last))
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
            return False

        wait_for(f"{name} on port {port}", listens, seconds)

    def stop(self) -> None:
        """End everything and remove the folder."""
        assert self._supervisor.stdin is not None
        assert self._supervisor.stdout is not None
        self._supervisor.stdin.close()
        self._supervisor.stdout.close()
        self._supervisor.wait(timeout=30)


def wait_for(what: str, condition: Callable[[], T], seconds: float = 30, pause: float = 0.1) -> T:
    """The first true value of `condition`.

    Raises:
        TimeoutError: there was none within three times the `seconds` that a quiet machine has; with the last.
    """
    seconds *= 3
    deadline = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}; last seen: {value!r}")
        time.sleep(pause)


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, below those that the system gives to outgoing connections."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            trial = held.enter_context(socket.socket())
            with suppress(OSError):
                trial.bind(("127.0.0.1", random.randrange(20000, 32000)))
                found.append(trial.getsockname()[1])
    return found
