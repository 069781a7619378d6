"""The process that starts the cluster's daemons and outlives nobody: when its input ends, all of them end.

Reads one JSON list `[argv, environment, log]` a line and answers each with the new process's number. It
adopts what daemons leave behind (a dead slurmd's jobs), so that its descendants are all that there is.
A file of its own that imports nothing of the project.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
_prctl = ctypes.CDLL(None).prctl  # looked up before any fork


def main(folder: Path, groups: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how they ended; no zombies
    _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for line in sys.stdin:
        print(_start(*json.loads(line)), flush=True)
    while pids := _descendants():
        for pid in pids:
            _kill(pid)
        time.sleep(0.05)
    for mount in reversed(_mounts(folder)):
        subprocess.run(["umount", "--lazy", mount], check=False)
    shutil.rmtree(folder, ignore_errors=True)
    for group, _, _ in os.walk(groups, topdown=False):
        Path(group).rmdir()  # its files are the kernel's


def _start(argv: list[str], environment: dict[str, str], log: str) -> int:
    with Path(log).open("ab") as output:
        process = subprocess.Popen(
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_in_child,
        )
    return process.pid


def _in_child() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _descendants() -> list[int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The name in brackets may hold anything; state and parent follow the last bracket.
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state != "Z":
                parents[int(entry.name)] = int(parent)
    found, front = [], {os.getpid()}
    while front:
        front = {pid for pid, parent in parents.items() if parent in front}
        found += sorted(front)
    return found


def _mounts(folder: Path) -> list[str]:
    points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return [point for point in points if point == str(folder) or point.startswith(f"{folder}/")]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
