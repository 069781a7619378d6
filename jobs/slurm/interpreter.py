"""The command that starts Python in a job, as words for the shell of its script."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from jobs.cluster import shell_words
from jobs.cluster.cluster_config import Cluster
from regularize.errors import UserError

IN_CONTAINER = ("python3",)
# Slurm's word that the time is nearly over ends a process which does not listen yet.
_PATIENT = 'sh -c \'trap "" USR2; exec "$@"\' sh'


def of_tasks(cluster: Cluster, *shared: Path | None) -> str:
    """Of what trains. In a container it sees the `shared` folders that are there.

    Raises:
        UserError: the container can see none of such a name.
    """
    if not cluster.container:
        return f"{_PATIENT} {_quoted(cluster.python) or shlex.quote(sys.executable)}"
    folders = [str(folder.absolute()) for folder in shared if folder and folder.exists()]
    folders += [str(cluster.scratch)] if cluster.scratch else []
    for folder in folders:
        if ":" in folder or "," in folder:
            raise UserError(
                f"folder {folder!r} cannot be seen in a container: Apptainer takes no ':' or ',' in the name "
                "of what it binds; take another folder"
            )
    binds = [word for folder in folders for word in ("--bind", folder)]
    nvidia = ["--nv"] * bool(cluster.gpus_asked)
    container = _quoted(["apptainer", "exec", *nvidia, *binds, cluster.container])
    return f"{container} {_PATIENT} {_quoted(cluster.python or IN_CONTAINER)}"


def of_follow_up(cluster: Cluster) -> str | None:
    """Of the job that goes on, which submits: outside a container, as images seldom have Slurm's programs.

    None: with this Python, unless the config names another.
    """
    own = cluster.follow_up.python if cluster.follow_up else ()
    return _quoted(own) or (None if cluster.container else _quoted(cluster.python) or None)


def _quoted(words: tuple[str, ...] | list[str]) -> str:
    return " ".join(map(shell_words.path, words))
