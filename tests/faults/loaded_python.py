"""In the place of Python (`python:` of a cluster config): a fork of an interpreter that has loaded all.

    python loaded_python.py SOCKET -u -m MODULE ARGUMENTS

The process that Slurm sees forwards signals, and ends as the fork does; the fork ends with it, under the name
of its node, and knows the names that this knows. This file imports nothing of the project.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import runpy
import select
import signal
import socket
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
CLONE_NEWNS, CLONE_NEWUTS = 0x00020000, 0x04000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
HOSTS = Path("/etc/hosts")
_libc = ctypes.CDLL(None, use_errno=True)


def main() -> NoReturn:
    """Have the arguments run, with this process's environment, folder, input and outputs."""
    line = socket.socket(socket.AF_UNIX)
    line.connect(sys.argv[1])
    here = [str(Path.cwd()), socket.gethostname(), HOSTS.read_text("utf-8")]
    asked = json.dumps([sys.argv[2:], dict(os.environ), *here]).encode()
    socket.send_fds(line, [len(asked).to_bytes(4, "big")], [0, 1, 2])
    line.sendall(asked)
    pid = int.from_bytes(line.recv(4), "big")
    for number in FORWARDED:
        signal.signal(number, lambda number, _: line.sendall(bytes([number])))
    answer = line.recv(4)
    code = int.from_bytes(answer, "big", signed=True) if pid and answer else -signal.SIGKILL
    if code < 0:
        with suppress(OSError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def begin_to_serve(place: Path) -> int:
    """A fork of this process that forks for whoever asks; its number."""
    listener = listening(place)
    if not (pid := os.fork()):
        serve(listener)
    listener.close()
    return pid


def listening(place: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place))
    listener.listen()
    return listener


def serve(listener: socket.socket) -> NoReturn:
    """Fork for whoever asks, until the process that began this one ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    while True:
        line, _ = listener.accept()
        if not os.fork():
            try:
                listener.close()
                _mind(line)
            finally:  # never back into what this is a fork of, which would tidy up
                os._exit(1)
        line.close()


def _mind(line: socket.socket) -> NoReturn:
    """Fork, send it what signals come, tell its end, and end it once nobody listens."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, numbers, _, _ = socket.recv_fds(line, 4, 3)
    asked = b""
    while len(asked) < int.from_bytes(size, "big"):
        asked += line.recv(1 << 16) or sys.exit()  # killed before it had asked
    if not (pid := os.fork()):
        _run(*json.loads(asked), numbers)
    for number in numbers:
        os.close(number)
    ended = os.pidfd_open(pid)
    with suppress(OSError):
        line.sendall(pid.to_bytes(4, "big"))
    while ended not in select.select([line, ended], [], [])[0]:
        for number in _heard(line):
            os.kill(pid, number)
    _, status = os.waitpid(pid, 0)
    with suppress(OSError):
        line.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
    os._exit(0)


def _heard(line: socket.socket) -> bytes:
    """Signals for the fork; that of its end once nobody listens any more."""
    with suppress(OSError):
        if numbers := line.recv(16):
            return numbers
    return bytes([signal.SIGKILL])


def _run(
    words: list[str], environment: dict[str, str], folder: str, host: str, hosts: str, numbers: list[int]
) -> NoReturn:
    code: object = 1
    try:
        for number, given in enumerate(numbers):
            os.dup2(given, number)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        os.setsid()
        if host != socket.gethostname():
            _become(host, hosts)
        module = words.index("-m") + 1
        sys.argv = words[module:]
        sys.stdout, sys.stderr = (os.fdopen(n, "w", buffering=1, closefd=False) for n in (1, 2))
        runpy.run_module(words[module], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as error:
        code = error.code or 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(code if isinstance(code, int) else 1)


def _become(host: str, hosts: str) -> None:
    """Take the name of a node, and know the others as it does, where one may."""
    if _libc.unshare(CLONE_NEWUTS | CLONE_NEWNS):
        return
    socket.sethostname(host)
    platform._uname_cache = None  # type: ignore[attr-defined]  # what it was asked before
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write(hosts)
        file.flush()
        _libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None)
        _libc.mount(file.name.encode(), bytes(HOSTS), None, MS_BIND, None)


if __name__ == "__main__":
    main()
