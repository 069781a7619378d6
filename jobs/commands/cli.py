"""The `regularize` command: which module does what is asked, and what exit codes mean.

0: done; 1: something failed; 2: something for the user to mend; 130: interrupted. Imports nothing
heavy: each command brings what it needs.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from jobs.commands.parser import parser
from jobs.support.plain_text import plain_streams
from regularize.errors import UserError
from regularize.own_code import only_trusted

_OF_THE_DISK = frozenset(
    {
        errno.EACCES, errno.EDQUOT, errno.EEXIST, errno.EIO, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG,
        errno.ENOSPC, errno.ENOTDIR, errno.EPERM, errno.EROFS, errno.ESTALE,
    }
)  # fmt: skip

INTERRUPTED = 130

# Where the function of a command's name is.
HOMES = {
    **dict.fromkeys(("plan", "submit", "train", "verify"), "sweep_commands"),
    **dict.fromkeys(("status", "logs", "cancel", "retry", "watch", "efficiency"), "job_commands"),
    **dict.fromkeys(
        ("collect", "export", "compare", "figures", "gallery", "report", "animate"), "result_commands"
    ),
    "sync": "ssh_commands",
    "data": "data_commands",
    "cluster": "cluster_commands",
    "reproduce": "reproduce",
    "init": "init",
    "completion": "completion",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="replace")  # in a terminal that is not of UTF-8, `?` for ε
    try:
        top = parser()
        if "_ARGCOMPLETE" in os.environ:
            from jobs.commands.completion import complete

            complete(top)
        args = top.parse_args(argv)
        args.argv = list(sys.argv[1:] if argv is None else argv)
        return run(args)
    except KeyboardInterrupt:
        return INTERRUPTED


def run(args: argparse.Namespace) -> int:
    """Run one command, here or on the cluster that it names; returns the exit code."""
    with only_trusted(), plain_streams():
        try:
            return _run(args)
        except Exception as error:
            from jobs.commands.broken_library import broken

            if not (said := broken(error)):
                raise
            print(f"error: {said}", file=sys.stderr)
            return 2


def _run(args: argparse.Namespace) -> int:
    try:
        code = _there(args)
        if code is None:
            home = import_module(f"jobs.commands.{HOMES[args.command]}")
            code = int(getattr(home, args.command)(args))
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except UnicodeEncodeError as error:
        if error.encoding.lower() != sys.getfilesystemencoding().lower():
            raise
        print(
            f"error: {error.object!r} is no name for a file here, where names are of {error.encoding}; "
            "try LC_ALL=C.UTF-8",
            file=sys.stderr,
        )
        return 2
    except OSError as error:
        # A disk or folder that is not as it should be: full, read-only, not ours, a file in a folder's place.
        if error.filename is None or error.errno not in _OF_THE_DISK:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    return code


def _there(args: argparse.Namespace) -> int | None:
    if getattr(args, "cluster", None) in (None, "local") and args.command != "cluster":
        return None
    from jobs.remote.run_there import run_there

    return run_there(args)
