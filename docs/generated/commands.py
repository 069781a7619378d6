"""Every command with all its arguments, as `--help` prints them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from unittest import mock

from jobs.commands.parser import parser

WIDTH = "96"


def commands() -> str:
    """A section a command; those of `cluster` and `data` one an action."""
    with mock.patch.dict(os.environ, {"COLUMNS": WIDTH, "NO_COLOR": "1"}):
        return "\n\n".join(
            f"## `{each.prog}`\n\n```text\n{each.format_help().rstrip()}\n```" for each in leaves(parser())
        )


def leaves(top: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parsers of the commands and of their actions."""
    below = [action for action in top._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield top
    for action in below:
        for each in dict.fromkeys(action.choices.values()):
            yield from leaves(each)
