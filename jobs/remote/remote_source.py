"""What `regularize watch` asks of a cluster behind ssh: one round trip a question."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace

from jobs.cluster.cluster_config import Cluster
from jobs.remote.command_request import request
from jobs.remote.remote_shell import HELLO
from jobs.remote.run_there import Remote, remote
from jobs.remote.session import SilentError
from jobs.watch.source_wire import AskingSource
from jobs.watch.watch_source import COMMAND_SECONDS, LEFT_OUT
from regularize.errors import UserError

# A look takes a second, and as many as Slurm's controller is waited for; longer where the code is new there.
LOOK_SECONDS = 120.0


def remote_source(
    args: Namespace, cluster: Cluster, parse: Callable[[Sequence[str]], Namespace]
) -> AskingSource:
    """The sweep of `args.target` on the cluster `args.cluster`; `parse` makes arguments of words.

    ssh may ask the user for something now, but not later, when the terminal belongs to the interface. A
    question that has no answer in time is given up, and the next one takes a connection of our own.

    Raises:
        UserError: there is no connection.
    """
    place = remote(args.cluster, cluster)
    if place.ssh.prompts:
        place.ssh.ask(HELLO)
    place = replace(place, ssh=replace(place.ssh, prompts=False, says=False))

    def ask(words: Sequence[str]) -> str:
        nonlocal place
        asked = parse(words)
        asked.cluster, asked.target, asked.store = args.cluster, args.target, args.store
        asked.argv = [*words, f"--cluster={args.cluster}"]
        limit = LOOK_SECONDS if asked.command == "watch" else COMMAND_SECONDS
        try:
            return _answer(place, request(asked, "cluster", cluster).to_bytes(), limit)
        except SilentError:
            place = replace(place, ssh=place.ssh.afresh())
            raise

    return AskingSource(ask, "SWEEP", cluster.name)


def _answer(place: Remote, sent: bytes, limit: float) -> str:
    answer = place.ask(sent, limit)
    if answer.code not in (0, LEFT_OUT):
        raise UserError(answer.reason)
    return answer.out.decode(errors="replace") or answer.err
