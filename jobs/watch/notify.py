"""Telling a person who is not looking: what happened, the terminal's escapes, a command of theirs."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence

from jobs.support.plain_text import plain
from jobs.support.readable_numbers import plural
from jobs.support.told import tell
from jobs.watch.header_words import done
from jobs.watch.picture import Picture
from jobs.watch.state_looks import trouble
from regularize.errors import UserError


def news(before: Picture | None, after: Picture) -> str | None:
    """What is worth a notification between two looks: the end, or the first failure."""
    if before is None:
        return None
    if after.over and not before.over:
        failed = trouble(after.total)
        return f"{after.sweep} is over: {done(after)}" + (f", {failed:,} failed" if failed else "")
    if trouble(after.total) and not trouble(before.total):
        why = f": {after.failures[0].message}" if after.failures else ""
        return f"{after.sweep}: {plural(trouble(after.total), 'run')} failed{why}"
    return None


def escapes(message: str, environment: Mapping[str, str] = os.environ) -> str:
    """The bell, and the two ways to ask a terminal for a desktop notification, through tmux where it is."""
    text = plain(message).replace("\n", " ").replace(";", ",")
    codes = f"\x1b]9;{text}\x07\x1b]777;notify;regularize;{text}\x07"
    if environment.get("TMUX"):
        codes = "\x1bPtmux;" + codes.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    return f"\x07{codes}"


def parse_hook(command: str | None) -> Sequence[str]:
    """The words of a command; the message becomes its last argument.

    Raises:
        UserError: its quotes do not close, or it is empty.
    """
    if command is None:
        return ()
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UserError(f"--notify {command!r}: {error}") from None
    if not words:
        raise UserError("--notify is empty, but must be a command")
    return words


def run_hook(words: Sequence[str], message: str) -> None:
    """Run it without a shell.

    Raises:
        UserError: it does not start, or fails.
    """
    try:
        tell(words, plain(message))
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"--notify: {error}") from None
