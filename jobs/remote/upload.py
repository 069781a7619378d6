"""A snapshot's way to the cluster: an archive, unpacked in a folder of its own, renamed once it is whole."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping

from jobs.cluster.cluster_config import Cluster
from jobs.code_copy.snapshot import Snapshot
from jobs.remote.remote_shell import DAMAGED, Script, place
from jobs.remote.ssh import Answer, Ssh
from regularize.errors import UserError

SUMS = "SHA256SUMS"
_SAME = ".same"


def upload(ssh: Ssh, cluster: Cluster, snapshot: Snapshot) -> None:
    """Send a snapshot; of its files only those that the cluster's last one does not have.

    Raises:
        UserError: the line is lost, or the cluster has no place for it.
    """
    last, there = _last(ssh, cluster)
    done = _send(ssh, cluster, snapshot, last, there)
    if done.code == DAMAGED and last:  # the last one may be
        done = _send(ssh, cluster, snapshot, "", {})
    if done.code:
        raise UserError(f"the code cannot be put in place on {ssh.host}: {done.reason}")


def _last(ssh: Ssh, cluster: Cluster) -> tuple[str, Mapping[str, str]]:
    """The newest snapshot there, with its files and their sums; an empty name if there is none."""
    script = [
        *_inside(),
        "for last in $(ls -1t | grep -xE '[0-9a-f]{16}'); do",
        f'  if test -f "$last/{SUMS}"; then echo "$last" >&3; cat "$last/{SUMS}" >&3; break; fi',
        "done",
    ]
    answer = ssh.ask(Script(place(cluster), tuple(script)))
    last, *lines = answer.out.decode(errors="surrogateescape").splitlines() or [""]
    if answer.code:
        raise UserError(f"{ssh.host} has no place for the code: {answer.reason}")
    sums = (line.partition("  ") for line in lines)
    return last, {path: digest for digest, _, path in sums}


def _send(ssh: Ssh, cluster: Cluster, snapshot: Snapshot, last: str, there: Mapping[str, str]) -> Answer:
    # What can be executed has its mode from the archive.
    same = [path for path, sum_ in snapshot.sums.items() if there.get(path) == sum_]
    same = [path for path in same if path not in snapshot.executable]
    return ssh.ask(Script(place(cluster), _unpack(snapshot.name, last)), _archive(snapshot, same), held=False)


def _archive(snapshot: Snapshot, same: list[str]) -> bytes:
    """Every file but the `same`, with the list of those and the sums of all."""
    lists = {SUMS: snapshot.sums_text(), _SAME: "".join(f"{path}\0" for path in same)}
    files = {
        **snapshot.files,
        **{name: text.encode(errors="surrogateescape") for name, text in lists.items()},
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.GNU_FORMAT) as archive:
        for path in files.keys() - set(same):
            member = tarfile.TarInfo(path)
            member.size = len(files[path])
            member.mode = 0o755 if path in snapshot.executable else 0o644
            archive.addfile(member, io.BytesIO(files[path]))
    return out.getvalue()


def _unpack(name: str, last: str) -> tuple[str, ...]:
    """Unpack what is sent, link the rest to that of the last, check every file, then rename.

    Another upload may have been first. One that is cut short leaves nothing.
    """
    link = 'cp --parents --target-directory="$part"'
    return (
        *_inside(),
        f'part=$(mktemp -d "$PWD/.{name}.XXXXXX.partial") || exit 1',
        """trap 'rm -rf "$part"' EXIT""",
        'chmod "$(umask -S)" "$part"',
        '(cd "$part" && tar -xzpf - --no-same-owner) || exit 1',
        *(
            [
                f'(cd {last} && xargs -0r {link} --link --) <"$part/{_SAME}" 2>/dev/null ||',
                f'(cd {last} && xargs -0r {link} --) <"$part/{_SAME}"',
            ]
            if last
            else []
        ),
        f'rm -f "$part/{_SAME}"',
        f'(cd "$part" && sha256sum --check --quiet {SUMS} >&2) || exit {DAMAGED}',
        f'mv -T "$part" {name} 2>/dev/null || test -d {name}',
    )


def _inside() -> list[str]:
    return ['mkdir -p "$base/snapshots" && cd "$base/snapshots" || exit 1']
