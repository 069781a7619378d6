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


def far_words(sweep: str, cluster: str) -> Iterator[list[str]]:
    """What to type to have each command that takes a cluster do what it does there; without waiting."""
    values = {"target": sweep, "sweep": sweep, "to": "csv", "name": "part-two", "out": "out"}
    for name, command in _commands().items():
        if any("--cluster" in action.option_strings and action.nargs != 0 for action in command._actions):
            needed = (a for a in command._actions if a.required or a.dest in ("target", "sweep"))
            kept = [a for a in needed if a.dest in values and a.nargs != "*"]
            typed = [word for a in kept for word in (*a.option_strings[:1], values[a.dest])]
            yield [name, *typed, f"--cluster={cluster}", *(["--once"] if name == "watch" else [])]
    for words in (["list"], ["show", "digits"], ["fetch", "mnist"]):
        yield ["data", *words, f"--cluster={cluster}"]
    for action in ("check", "setup"):
        yield ["cluster", action, cluster]
    yield ["watch", sweep, f"--cluster={cluster}", "--answer", "log", "a1"]
    yield ["sync", sweep, f"--cluster={cluster}", "--weights"]
