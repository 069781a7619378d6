"""What a command's arguments name: its sweep, its store, and where it prints."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.cluster.roots import data_folder, store_root
from regularize.errors import UserError
from regularize.own_code import EVERYTHING, FORM, trust
from regularize.store import Store

PAPER = 10_000  # columns of what is no terminal

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.cluster.cluster_config import Cluster
    from jobs.status.run_filters import Filter
    from jobs.sweep.sweep_file import Sweep


def sweep_of(args: Namespace, cluster: Cluster | None = None, stores: Path | None = None) -> Sweep:
    """The sweep of the file that is named, as it was meant when it was submitted to one of the `stores`."""
    from jobs.sweep.own_names import own_names, own_names_of
    from jobs.sweep.sweep_file import load_sweep
    from jobs.sweep.yaml_text import read_text
    from regularize.data.registry import check_known

    if args.sweep is None:
        raise UserError(_which_file())
    # What the sweep that one plans, submits or trains names is one's own.
    of_options = (name for setting in args.overrides for name in own_names_of(setting))
    trust([*own_names(read_text(args.sweep), str(args.sweep)), *of_options])
    root = data_folder(args.data_root, cluster)
    dialects = None if stores is None else dialects_in(stores)
    return load_sweep(args.sweep, args.overrides, lambda name: check_known(name, root), dialects)


def dialects_in(stores: Path) -> Callable[[str], int]:
    """In which dialect a sweep of a name was submitted to one of the stores; today's where none was."""
    from jobs.store.submitted_settings import dialect
    from jobs.store.sweep_folder import sweep_folder

    return lambda name: dialect(sweep_folder(stores, name))


def filter_of_runs(args: Namespace, store: Store) -> Filter:
    from jobs.status.run_filters import EVERYTHING, filter_of
    from jobs.store.planned_runs import read_rows

    asked = args.regularizer or args.dataset or args.state or args.run
    return filter_of(args, read_rows(store)) if asked else EVERYTHING


def store_of(args: Namespace) -> Store:
    """The store of a sweep file, the folder itself, or the one of that name among the stores.

    Of its own code that is trusted which this user has submitted, has in a sweep file, asks for by name, or
    vouches for.

    Raises:
        UserError: none is named, or it is none of these; it says which there are.
    """
    from regularize.own_stores import submitted

    store = _store_of(args)
    trust([*submitted(store), *_asked(args), *[EVERYTHING] * getattr(args, "trust_model", False)])
    return store


def _store_of(args: Namespace) -> Store:
    from jobs.cluster.load_config import load_cluster
    from jobs.store.sweep_folder import sweep_folder
    from regularize.store_links import checked_store

    if args.target is not None and args.target.is_dir():
        return checked_store(Store(args.target))
    root = store_root(args.store, load_cluster(args.cluster) if args.cluster else None)
    if args.target is None:
        raise UserError(f"which sweep? {which_stores(args.command, root)}")
    if args.target.exists():
        store = sweep_folder(root, name_in(args.target))
        _trust_own(args.target)
        return store
    if (root / args.target).is_dir() and args.target.name == str(args.target):
        return checked_store(Store(root / args.target))
    raise UserError(f"{args.target} is not there; {which_stores(args.command, root)}")


def name_in(sweep: Path) -> str:
    """The name in a sweep's file."""
    from jobs.sweep.sweep_file import read_name
    from jobs.sweep.yaml_text import parse_file, read_text

    return read_name(parse_file(read_text(sweep), str(sweep)).mapping(required=("name",))["name"])


def which_stores(command: str, root: Path) -> str:
    """Which sweeps were submitted to a store, for who has named none."""
    found = stores(root)
    if not found:
        return f"nothing has been submitted to {root} (--store names another store)"
    names = ", ".join(folder.name for folder in found)
    return f"in {root} there are: {names}; for example: regularize {command} {found[0]}"


def stores(root: Path) -> list[Path]:
    """The folders of sweeps that were submitted to a store, the newest first."""
    runs = root.glob("*/runs.parquet")
    return [path.parent for path in sorted(runs, key=lambda path: -path.lstat().st_mtime)]


def sweep_files() -> list[Path]:
    """Sweep files in this folder and those below it."""
    return [path for path in _yaml_files() if _is_sweep(path)]


def _which_file() -> str:
    files = ", ".join(map(str, sweep_files()))
    here = f"sweep files here: {files}" if files else "`regularize init NAME` writes a sweep file"
    return f"which sweep? {here}"


def _yaml_files() -> list[Path]:
    return sorted(path for pattern in ("*.y*ml", "*/*.y*ml") for path in Path().glob(pattern))


def _is_sweep(path: Path) -> bool:
    from jobs.sweep.yaml_text import read_text

    try:
        return "\nregularizers:" in read_text(path)
    except UserError:
        return False


def _trust_own(sweep: Path) -> None:
    """Trust what a sweep file names, if it is this user's, and not the copy that a store has of it."""
    from jobs.sweep.own_names import own_names
    from jobs.sweep.yaml_text import read_text

    place = sweep.resolve()
    if place.stat().st_uid == os.getuid() and not Store(place.parent).submission.exists():
        trust(own_names(read_text(sweep), str(sweep)))


def _asked(args: Namespace) -> list[str]:
    """Figures of one's own that the command names."""
    names = [*(getattr(args, "names", None) or ()), *(getattr(args, "figure", None) or ())]
    return [each for name in names for each in str(name).split(",") if FORM.fullmatch(each)]


def console(stderr: bool = False) -> Console:
    """The terminal; a pipe or a file gets lines as long as they are."""
    from jobs.support.terminal import Terminal

    found = Terminal(stderr=stderr)
    if not found.is_terminal:
        found.width = PAPER
    return found


def print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, indent=1))
