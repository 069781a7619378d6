"""Run on the cluster, in a snapshot: the command whose request is on the standard input."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

from jobs.cli import run
from jobs.remote.request import Request

BASE = Path(__file__).parents[4]  # <base>/snapshots/<name>/jobs/remote/there.py


def main() -> int:
    for stream in (sys.stdout, sys.stderr):  # whatever the locale there
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")
    request = Request.from_bytes(sys.stdin.buffer.read())
    args, folder = request.unpack(BASE)
    os.chdir(folder)  # where jobs start: nodes see it too
    os.environ.update(request.environment)
    sys.argv = ["regularize", *args.argv]  # what the store remembers
    return run(args)


if __name__ == "__main__":
    sys.exit(main())
