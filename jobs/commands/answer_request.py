"""Run on the cluster, in a snapshot: the command whose request is the first line of the standard input.

The rest of it says nothing, but that somebody is there.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

from jobs.commands.cli import run
from jobs.remote import remote_shell
from jobs.remote.command_request import Request
from jobs.support.hangup import hang_up_at_end_of
from regularize.errors import UserError

SNAPSHOT = Path(__file__).parents[2]
BASE = SNAPSHOT.parents[1]  # <base>/snapshots/<name>


def main() -> int:
    for stream in (sys.stdout, sys.stderr):  # whatever the locale there
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")
    request = Request.from_bytes(sys.stdin.buffer.readline())
    hang_up_at_end_of(sys.stdin.fileno())
    try:
        args, folder = request.unpack(BASE / "sent" / SNAPSHOT.name)
        os.chdir(folder)  # where jobs start: nodes see it too
        os.utime(SNAPSHOT)  # it is used
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if remote_shell.FIRST in sys.argv[1:]:
        from jobs.code_copy.tidy import tidy
        from jobs.slurm.client import Slurm

        tidy(BASE, Slurm(patience=0))
    os.environ.update(request.environment)
    sys.argv = ["regularize", *args.argv]  # what the store remembers
    return run(args)


if __name__ == "__main__":
    sys.exit(main())
