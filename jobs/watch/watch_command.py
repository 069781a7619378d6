"""The `watch` command: the interface on a terminal, text elsewhere."""

from __future__ import annotations

import gc
import os
import sys
from argparse import Namespace
from collections.abc import Mapping

from jobs.store import submitted_settings
from jobs.support.terminal import Terminal
from jobs.watch.notify import parse_hook
from jobs.watch.source_wire import answer
from jobs.watch.store_source import LocalSource
from jobs.watch.watch_source import Source
from regularize.errors import UserError
from regularize.store import Store

SWITCH_SECONDS = 0.0005
ESCAPE_MILLISECONDS = "25"
"""A key this long after Escape is not Alt and the key; usually 100, which is soon typed."""


def watch(args: Namespace, source: Source) -> int:
    hook = parse_hook(args.notify)
    dark = args.theme == "dark" if args.theme else ground_is_dark()
    if args.answer:
        print(answer(source, args.answer))
    elif args.once or not (_terminal() and _full_screen()):
        from jobs.watch.watch_once import print_once

        picture = source.look()
        print_once(Terminal(), picture, picture.time, dark=dark)
        if _terminal() and not args.once:
            kind = os.environ.get("TERM") or "not set"
            words = f"no full screen on this terminal (TERM is {kind}): this was `watch --once`"
            print(f"\n{words}", file=sys.stderr)
    else:
        os.environ.setdefault("ESCDELAY", ESCAPE_MILLISECONDS)
        from jobs.watch.app import WatchApp
        from jobs.watch.source_process import Apart

        favour_keys()
        shown = Apart(source) if isinstance(source, LocalSource) else source  # far ones are apart already
        WatchApp(shown, every=args.every, hook=hook, dark=dark).run()
    return 0


def _terminal() -> bool:
    return all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


def _full_screen(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the terminal can be drawn on; one that calls itself dumb cannot."""
    return environment.get("TERM", "") not in ("", "dumb")


def favour_keys() -> None:
    """Let the thread that answers keys not wait for one that takes in ten thousand runs."""
    sys.setswitchinterval(SWITCH_SECONDS)  # usually 5 ms, at every turn
    gc.freeze()  # what is imported by now stays, and need not be looked through at every collection


def local_source(store: Store) -> LocalSource:
    try:
        cluster = submitted_settings.load(store).cluster
    except UserError:
        cluster = None  # nothing was submitted yet: the interface waits for it
    slurm = cluster is not None and cluster.kind == "slurm"
    return LocalSource(store, cluster.name if cluster and slurm and cluster.name else "this machine")


def ground_is_dark(environment: Mapping[str, str] = os.environ) -> bool:
    """By COLORFGBG (`15;0`), which some terminals set; most are dark where it is missing.

    >>> ground_is_dark({"COLORFGBG": "0;15"}), ground_is_dark({"COLORFGBG": "15;0"}), ground_is_dark({})
    (False, True, True)
    """
    return environment.get("COLORFGBG", "").rpartition(";")[2] not in ("7", "15")
