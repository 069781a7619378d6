"""A snapshot's way to the cluster: into a folder of its own beside the others, renamed once it is whole."""

from __future__ import annotations

import tempfile
from pathlib import Path

from jobs.cluster import shell_words
from jobs.cluster.cluster_config import Cluster
from jobs.code_copy.snapshot import Snapshot
from jobs.remote import remote_shell
from jobs.remote.ssh import Ssh
from regularize.errors import UserError

SUMS = "SHA256SUMS"


def upload(ssh: Ssh, cluster: Cluster, snapshot: Snapshot) -> None:
    """Send a snapshot; of its files only those that the cluster's last one does not have.

    An upload that was cut short leaves a folder that the next one completes.

    Raises:
        UserError: the line is lost, or the cluster has no place for it.
    """
    folder, last = _place(ssh, cluster)
    partial = f".{snapshot.name}.partial"
    with tempfile.TemporaryDirectory(prefix="snapshot-") as here:
        snapshot.write(Path(here))
        (Path(here) / SUMS).write_bytes(snapshot.sums().encode(errors="surrogateescape"))
        same = [f"--link-dest=../{last}"] if last else []
        # No times: a file of the same content is the same file.
        options = ["--recursive", "--perms", "--checksum", "--delete", *same]
        ssh.rsync([*options, f"{here}/", f"{ssh.host}:{folder}/{partial}/"])
    done = ssh.ask(_finish(cluster, snapshot.name))
    if done.code == remote_shell.DAMAGED:
        raise UserError(
            f"the code did not arrive on {ssh.host} as it was sent; the same command sends it again"
        )
    if done.code:
        raise UserError(f"the code cannot be put in place on {ssh.host}: {done.err}")


def _place(ssh: Ssh, cluster: Cluster) -> tuple[str, str]:
    """The folder of all snapshots there, and the name of the newest."""
    script = [
        *_inside(cluster),
        "last=$(ls -1t | grep -xE '[0-9a-f]{16}' | head -n 1)",
        'printf "%s\\0%s" "$(pwd -P)" "$last" >&3',
    ]
    answer = ssh.ask(remote_shell.lines(script))
    folder, zero, last = answer.out.decode(errors="surrogateescape").partition("\0")
    if answer.code or not zero:
        raise UserError(f"{ssh.host} has no place for the code: {answer.err or 'it said nothing'}")
    return folder, last


def _finish(cluster: Cluster, name: str) -> str:
    """Check every file, then rename; another upload may have done so in the meantime."""
    partial = f".{name}.partial"
    return remote_shell.lines(
        [
            *_inside(cluster),
            f"(cd {partial} && sha256sum --check --quiet {SUMS} >&2) ||",
            f"  {{ test -d {name} && exit 0; rm -rf {partial}; exit {remote_shell.DAMAGED}; }}",
            f"mv -T {partial} {name} || test -d {name}",
        ]
    )


def _inside(cluster: Cluster) -> list[str]:
    return [
        f"base={shell_words.path(remote_shell.base(cluster))}",
        'mkdir -p "$base/snapshots" && cd "$base/snapshots" || exit 1',
    ]
