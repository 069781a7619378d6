"""A command for a cluster with a `host:`, run there: exit code and both streams are the command's own."""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass

from jobs.cluster.cluster_config import Cluster
from jobs.cluster.load_config import load_cluster
from jobs.code_copy.snapshot import Snapshot, take
from jobs.remote import remote_shell
from jobs.remote.command_request import request
from jobs.remote.ssh import ANSWER_SECONDS, Answer, Ssh, connect
from jobs.remote.upload import upload
from regularize.errors import UserError

THERE = ("plan", "submit", "status", "logs", "cancel", "retry", "efficiency", "data")
# Commands that need no more than tables, which `sync` brings.
AT_HOME = ("collect", "compare", "export", "figures", "animate", "report")
_KILLED = 128
"""What a shell adds to the number of the signal that a command died of."""


@dataclass(frozen=True)
class Remote:
    """A cluster, the way to it, and the code that runs there; `config` is how the user names it."""

    config: str
    cluster: Cluster
    ssh: Ssh
    snapshot: Snapshot

    def run(self, sent: bytes) -> int:
        """Run a request in one round trip, its streams being ours; more only where the code is new there.

        Raises:
            UserError: the line is lost, or there is no Python.
        """
        code = self.ssh.run(self._script(), sent)
        if code == remote_shell.NO_SNAPSHOT:
            self.send()
            code = self.ssh.run(self._script(remote_shell.FIRST), sent)
        self._check(code)
        return code

    def ask(
        self, sent: bytes, limit: float = ANSWER_SECONDS, sink: Callable[[bytes], object] | None = None
    ) -> Answer:
        """As `run`, but what it says is the answer, as in `Ssh.ask`."""
        answer = self.ssh.ask(self._script(), sent, limit, sink=sink)
        if answer.code == remote_shell.NO_SNAPSHOT:
            self.send()
            answer = self.ssh.ask(self._script(remote_shell.FIRST), sent, limit, sink=sink)
        self._check(answer.code)
        return answer

    def send(self) -> None:
        if self.ssh.says:
            print(f"sending this state of the code to {self.ssh.host}", file=sys.stderr)
        upload(self.ssh, self.cluster, self.snapshot)

    def _script(self, *words: str) -> remote_shell.Script:
        snapshot = self.snapshot
        return remote_shell.run(
            self.cluster, snapshot.name, snapshot.folders, "jobs.commands.answer_request", *words
        )

    def _check(self, code: int) -> None:
        if code in (remote_shell.NO_PYTHON, 126, 127):
            own = " ".join(remote_shell.own_python(self.cluster))
            what = f"python is {own!r}" if own else "no environment is built"
            raise UserError(
                f"there is no Python to use on {self.ssh.host} ({what}): "
                f"`regularize cluster setup {self.config}` builds one"
            )
        if code > _KILLED:
            raise UserError(
                f"the command was killed on {self.ssh.host} (signal {code - _KILLED}); "
                "the same command goes on where it stopped"
            )
        if code == remote_shell.NO_SNAPSHOT:
            raise UserError(f"{self.ssh.host} has lost the code that it was sent; try the same again")


def remote(config: str, cluster: Cluster) -> Remote:
    """
    Raises:
        UserError: the config has no `host:`, or ssh knows none of that name.
    """
    if cluster.host is None:
        raise UserError(f"{cluster.name} has no `host:`: it is not reached through ssh")
    return Remote(config, cluster, connect(cluster.host), take())


def run_there(args: Namespace) -> int | None:
    """Run a command on the cluster that it names; None if it is to be run here.

    Raises:
        UserError: the cluster cannot be reached, or the command is not one for a cluster.
    """
    argument = _config_argument(args)
    name = getattr(args, argument, None) if argument else None
    if argument is None or name in (None, "local"):
        return None
    cluster = load_cluster(name, getattr(args, "max_tasks", None))
    if cluster.host is None:
        return None
    if args.command in AT_HOME:
        sweep = args.target or "SWEEP"
        raise UserError(
            f"the store is on {cluster.host}: `regularize sync {sweep} --cluster {name}` brings it "
            f"here, then `regularize {args.command}` without --cluster"
        )
    if args.command not in THERE and args.command != "cluster":
        those = ", ".join(THERE)
        raise UserError(f"`regularize {args.command}` does not run on another host; those that do: {those}")
    sent = request(args, argument, cluster).to_bytes()
    try:
        return remote(name, cluster).run(sent)
    except KeyboardInterrupt:
        again = shlex.join(["regularize", *args.argv])
        print(
            f"jobs, and a submission that had begun, go on at {cluster.host}; to continue: {again}",
            file=sys.stderr,
        )
        raise


def _config_argument(args: Namespace) -> str | None:
    """The argument that names the cluster of a command that may be run there."""
    if args.command == "cluster":
        return "name" if args.action == "check" else None
    return None if args.command in ("sync", "watch") else "cluster"
