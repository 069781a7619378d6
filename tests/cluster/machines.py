"""Machines of the cluster as namespaces of this one: own host name, process numbers and /etc/hosts."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

PROGRAMS = [
    "slurmctld",
    "slurmd",
    "slurmdbd",
    "munged",
    "mariadbd",
    "sshd",
    "sbatch",
    "srun",
    "sacctmgr",
    "unshare",
]
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

MEMORY_GROUPS = Path("/sys/fs/cgroup/memory")

# $1 is the host name, $2 the hosts file, $3 the machine's share of memory control groups or empty, then the
# command; a private /run for the empty folder that sshd wants. The shell stays, to reap what is orphaned.
_BECOME = """
hostname "$1"
mount --bind "$2" /etc/hosts
test -z "$3" || mount --bind "$3" /sys/fs/cgroup/memory
mount -t tmpfs run /run
mkdir /run/sshd
shift 3
"$@" & wait
"""
_NAMESPACES = ["--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]


def on_machine(name: str, hosts: Path, groups: Path | None, command: Sequence[str]) -> list[str]:
    """The argument list that runs `command` on a machine; both end together."""
    return [
        "unshare",
        *_NAMESPACES,
        "sh",
        "-ec",
        _BECOME,
        "sh",
        name,
        str(hosts),
        str(groups or ""),
        *command,
    ]


def memory_groups(cluster: str) -> Path | None:
    """A new folder for the memory control groups of a cluster; None where the kernel has none (version 1)."""
    folder = MEMORY_GROUPS / cluster
    try:
        folder.mkdir()
    except OSError:
        return None
    return folder


def what_lacks() -> str | None:
    """Why no cluster can be started here, or None."""
    if os.geteuid() != 0:
        return "the test cluster needs root"
    missing = [program for program in PROGRAMS if shutil.which(program, path=SYSTEM_PATH) is None]
    if missing:
        return f"the test cluster needs {', '.join(missing)}; CONTRIBUTING.md names the packages"
    command = on_machine("probe", Path("/etc/hosts"), None, ["true"])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"the test cluster needs namespaces: {done.stderr.strip()}" if done.returncode else None
