"""`regularize sync`: a sweep's tables, the logs of its failures and, on request, weights brought here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from jobs.cluster import shell_words
from jobs.cluster.cluster_config import Cluster
from jobs.remote import remote_shell
from jobs.remote.ssh import Ssh
from jobs.remote.verify_files import Problem, verify
from jobs.status.log_files import log_files
from jobs.status.run_filters import EVERYTHING
from jobs.store.journal import read_journal
from jobs.submission.job_outcomes import unasked
from regularize.errors import UserError
from regularize.store import PackPaths, Store

# What tells of the sweep and of its packs; it comes first, so that what is said to be done can come after.
_WHOLE = ("sweep", "provenance", "runs", "submission", "journal")
_STATES = ("status", "error")
_TABLES = ("metrics", "results", "predictions", "spectra", "robustness", "corruptions")
_WEIGHTS = ("weights", "snapshots")
_PARTIAL = ".partial"


@dataclass(frozen=True, kw_only=True)
class Synced:
    """How many files have come, and which of all that are here are not what they should be."""

    files: int
    problems: Sequence[Problem]


def sync(ssh: Ssh, cluster: Cluster, there: str, store: Store, *, weights: bool) -> Synced:
    """Bring what is new of a sweep, and look at every file that has come.

    Args:
        there: the folder of all stores on the cluster.

    Raises:
        UserError: there is no such store, or the line is lost; the next one goes on from there.
    """
    source = f"{ssh.host}:{_folder(ssh, cluster, there, store.folder.name)}/"
    store.folder.mkdir(parents=True, exist_ok=True)
    came = _bring(ssh, source, store, [*_of_sweep(store), *_of_packs(store, _STATES)])
    names = (*_TABLES, *_WEIGHTS) if weights else _TABLES
    came += _bring(ssh, source, store, _of_packs(store, names))
    if not store.runs.exists():
        raise UserError(f"{source} holds no {store.runs.name}: nothing has been submitted to it")
    problems = verify(store, weights=weights)
    if store.runs in [problem.path for problem in problems]:
        return Synced(files=came, problems=problems)
    told = log_files(store, EVERYTHING, unasked(read_journal(store.journal)))
    if logs := [_rooted(store, path) for path in told if path.parent == store.logs]:
        came += _bring(ssh, source, store, ["/logs/", *logs])
    return Synced(files=came, problems=problems)


def _folder(ssh: Ssh, cluster: Cluster, there: str, name: str) -> str:
    """The store's full path on the cluster."""
    script = [
        *remote_shell.begin(cluster),
        f"cd {shell_words.path(there)}/{quote(name)} || exit 1",
        'printf "%s" "$(pwd -P)" >&3',
    ]
    answer = ssh.ask(remote_shell.lines(script))
    if answer.code:
        raise UserError(f"{ssh.host} has no sweep {name} in {there}: has it been submitted there?")
    return answer.out.decode(errors="surrogateescape")


def _bring(ssh: Ssh, source: str, store: Store, patterns: Iterable[str]) -> int:
    """Bring the files that match, each whole or not at all; how many have come."""
    rules = "".join(f"+ {pattern}\n" for pattern in patterns) + "- *\n"
    options = ["--recursive", "--times", "--prune-empty-dirs", f"--partial-dir={_PARTIAL}"]
    arguments = [*options, "--out-format=%n", "--include-from=-", source, f"{store.folder.absolute()}/"]
    names = ssh.rsync(arguments, rules.encode()).splitlines()
    return sum(not name.endswith("/") for name in names)


def _of_sweep(store: Store) -> list[str]:
    return [*(_rooted(store, getattr(store, name)) for name in _WHOLE), "/*.diff"]


def _of_packs(store: Store, names: Sequence[str]) -> list[str]:
    pack = PackPaths(store.packs / "*")
    return ["/packs/", "/packs/*/", *(_rooted(store, getattr(pack, name)) for name in names)]


def _rooted(store: Store, path: Path) -> str:
    """An rsync pattern for a file of the store."""
    return f"/{path.relative_to(store.folder).as_posix()}"
