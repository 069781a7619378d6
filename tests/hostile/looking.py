"""Every command that looks at what is there, as the command line has them: a new one is among them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from jobs.commands.parser import parser
from regularize.store import Store

ACTING = ("submit", "train", "cancel", "retry", "verify", "reproduce", "sync", "init")
"""Those that are asked for to run, write or change something; `sync` has tests of its own."""


def commands() -> list[str]:
    return [name for name in _commands() if name not in ACTING]


def words(name: str, store: Store, data_root: Path, out: Path) -> Iterator[list[str]]:
    """What to type to look at a store, or at the data sets of a folder, by a command."""
    values = {
        "target": str(store.folder),
        "sweep": str(store.sweep),
        "out": str(out / name),
        "to": "csv",
        "names": "evil",
        "shell": "bash",
    }
    deeper = {"data": (["list"], ["show", "evil"]), "cluster": (["list"],)}.get(name, ([],))
    more = {"report": ["--tables-only"], "watch": ["--once"], "gallery": ["--data-root", str(data_root)]}
    for rest in deeper:
        typed = [name, *rest, *more.get(name, [])]
        for action in [] if rest else _commands()[name]._actions:
            named = action.required or action.dest in ("target", "sweep")
            if named and action.nargs != "*":
                typed += [*action.option_strings[:1], values[action.dest]]
        yield [*typed, *(["--data-root", str(data_root)] if name in ("data", "plan") else [])]


def _commands() -> dict[str, argparse.ArgumentParser]:
    actions = parser()._actions
    return dict(next(a for a in actions if isinstance(a, argparse._SubParsersAction)).choices)
