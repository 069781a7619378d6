"""`regularize sync`: a sweep's tables, the logs of its failures and, on request, weights brought here."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from jobs.remote.command_request import request
from jobs.remote.run_there import Remote
from jobs.remote.store_files import Receiver
from jobs.remote.verify_files import Problem, verify
from regularize.errors import UserError
from regularize.store import Store

LOOK_SECONDS = 600.0
"""Without a word, while files are looked at there that have come already."""


@dataclass(frozen=True, kw_only=True)
class Synced:
    """How many files have come, and which of all that are here are not what they should be."""

    files: int
    problems: Sequence[Problem]


def sync(place: Remote, args: Namespace, store: Store) -> Synced:
    """Bring what is new of a sweep, and look at every file that has come.

    Args:
        args: of the command.
        store: its place here; there it has the same name.

    Raises:
        UserError: there is no such store, or the line is lost; the next one goes on from there.
    """
    receiver = Receiver(store.folder)
    asked = {"name": store.folder.name, "had": asdict(receiver.had()), "weights": args.weights}
    there = Namespace(command="sync", cluster=args.cluster, argv=args.argv, **asked)
    sent = request(there, "cluster", place.cluster).to_bytes()
    try:
        answer = place.ask(sent, LOOK_SECONDS, receiver.feed)
    finally:
        receiver.close()
    if answer.code:
        raise UserError(f"{place.ssh.host}: {answer.reason}")
    return Synced(files=receiver.count, problems=verify(store, weights=args.weights))
