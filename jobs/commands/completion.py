"""What Tab completes: `regularize completion SHELL` prints what a shell has to know, argcomplete answers.

Each completer looks at the arguments so far; where something is wrong with them, nothing is completed.
"""

from __future__ import annotations

import argparse
import os
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from jobs.cluster.load_config import CONFIGS
from jobs.cluster.roots import store_root
from jobs.commands.parser import Parser
from jobs.commands.targets import store_of, stores, sweep_files
from regularize.errors import UserError

Completer = Callable[..., Iterable[str]]


def completion(args: Namespace) -> int:
    """Print what the shell is to evaluate, as a line of its startup file says."""
    from argcomplete.shell_integration import shellcode

    print(shellcode(["regularize"], shell=args.shell))
    return 0


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell, if it is a shell that asks; then this does not return."""
    import argcomplete

    for command, each in _commands(parser):
        if isinstance(each, Parser):
            each.anywhere = not _completes_a_value()
        for action in each._actions:
            if found := _completer(command, action):
                action.completer = found  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser, always_complete_options=False)


def _completes_a_value() -> bool:
    """Whether what is completed belongs to the option before it. Names that stand anywhere are looked for
    once all options are read, which such a line ends: the sweep would not be known."""
    words = os.environ.get("COMP_LINE", "")[: int(os.environ.get("COMP_POINT", 0))].split(" ")
    return words[-2:-1] != [] and words[-2].startswith("-")


def _commands(
    parser: argparse.ArgumentParser, name: str = ""
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, each in action.choices.items():
                yield from _commands(each, f"{name} {word}".strip())


def _completer(command: str, action: argparse.Action) -> Completer | None:
    of_command: dict[tuple[str, str], Completer] = {
        ("figures", "names"): figures,
        ("cluster check", "name"): clusters,
        ("cluster setup", "name"): clusters,
        ("data show", "name"): datasets,
        ("data fetch", "names"): official,
        ("reproduce", "name"): reproductions,
        ("init", "like"): examples,
    }
    return of_command.get((command, action.dest)) or _OF_ALL.get(action.dest)


def sweeps(**_: Any) -> list[str]:
    return list(map(str, sweep_files()))


def targets(parsed_args: Namespace, **_: Any) -> list[str]:
    """Sweep files, and folders of the store."""
    return [*sweeps(), *map(str, stores(store_root(parsed_args.store, None)))]


def figures(**_: Any) -> Iterable[str]:
    from analysis.figures.catalogue import FIGURES

    return FIGURES


def scores(**_: Any) -> Iterable[str]:
    from analysis.statistics.scores import SCORES

    return SCORES


def states(**_: Any) -> Iterable[str]:
    from jobs.status.run_states import RUN_STATES

    return RUN_STATES


def entries(parsed_args: Namespace, **_: Any) -> Iterable[str]:
    """The entries of the sweep that is named, or all techniques."""
    from regularize.regularizers import REGULARIZERS

    return _of_runs(parsed_args, "regularizer") or _of_file(parsed_args, "regularizers") or REGULARIZERS


def datasets_of_sweep(parsed_args: Namespace, **_: Any) -> Iterable[str]:
    return _of_runs(parsed_args, "dataset") or _of_file(parsed_args, "dataset") or datasets(parsed_args)


def techniques(parsed_args: Namespace, prefix: str = "", **_: Any) -> Iterable[str]:
    return _another(prefix, entries(parsed_args))


def shown_datasets(parsed_args: Namespace, prefix: str = "", **_: Any) -> Iterable[str]:
    return _another(prefix, datasets_of_sweep(parsed_args))


def _another(prefix: str, names: Iterable[str]) -> list[str]:
    """One more of a list with commas."""
    given, comma, _ = prefix.rpartition(",")
    return [f"{given}{comma}{name}" for name in names]


def widths(**_: Any) -> Iterable[str]:
    from analysis.figures.parts.style import WIDTHS

    return WIDTHS


def run_ids(parsed_args: Namespace, **_: Any) -> Iterable[str]:
    return _of_runs(parsed_args, "run_id")


def _of_runs(parsed_args: Namespace, column: str) -> list[str]:
    """What the runs of the sweep's store have in a column."""
    from jobs.store.runs_table import read_runs

    if getattr(parsed_args, "target", None) is None:
        return []
    try:
        rows = read_runs(store_of(parsed_args), [column, "planned"]).to_pylist()
    except (UserError, OSError):
        return []
    return list(dict.fromkeys(row[column] for row in rows if row["planned"]))


def _of_file(parsed_args: Namespace, key: str) -> list[str]:
    """The names below a key of the sweep's file."""
    from jobs.sweep.yaml_text import parse_file, read_text

    path = getattr(parsed_args, "target", None) or getattr(parsed_args, "sweep", None)
    try:
        node = parse_file(read_text(path), str(path)).mapping()[key] if path else None
        return [] if node is None else list(node.mapping())
    except (UserError, KeyError):
        return []


def datasets(parsed_args: Namespace, **_: Any) -> Iterable[str]:
    from regularize.data.registry import data_root, names

    try:
        return list(names(data_root(getattr(parsed_args, "data_root", None))))
    except (UserError, OSError):
        return []


def official(**_: Any) -> Iterable[str]:
    from regularize.data.official import OFFICIAL

    return OFFICIAL


def clusters(**_: Any) -> Iterable[str]:
    own = sorted(map(str, Path().glob("*.yaml")))
    return [*sorted(path.stem for path in CONFIGS.glob("*.yaml")), *own]


def reproductions(**_: Any) -> Iterable[str]:
    from jobs.commands.reproduce import names

    return names()


def examples(**_: Any) -> Iterable[str]:
    from jobs.commands.init import EXAMPLES

    return EXAMPLES


def formats(**_: Any) -> Iterable[str]:
    from analysis.export import FORMATS

    return FORMATS


_OF_ALL: dict[str, Completer] = {
    "target": targets,
    "sweep": sweeps,
    "cluster": clusters,
    "regularizer": entries,
    "techniques": techniques,
    "dataset": datasets_of_sweep,
    "datasets": shown_datasets,
    "width": widths,
    "state": states,
    "run": run_ids,
    "metric": scores,
    "score": scores,
    "to": formats,
}
"""By the name under which a command has what was given."""
