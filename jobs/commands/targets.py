"""What a command's arguments name: its sweep, its store, and where it prints."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from jobs.cluster.roots import data_folder, store_root
from regularize.store import Store

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.cluster.cluster_config import Cluster
    from jobs.status.run_filters import Filter
    from jobs.sweep.sweep_file import Sweep


def sweep_of(args: Namespace, cluster: Cluster | None = None) -> Sweep:
    from jobs.sweep.sweep_file import load_sweep
    from regularize.data.registry import check_known

    root = data_folder(args.data_root, cluster)
    return load_sweep(args.sweep, args.overrides, lambda name: check_known(name, root))


def filter_of_runs(args: Namespace, store: Store) -> Filter:
    from jobs.status.run_filters import filter_of
    from jobs.store.planned_runs import read_rows

    return filter_of(args, read_rows(store))


def store_of(args: Namespace) -> Store:
    """The store of a sweep file, or the folder itself."""
    from jobs.cluster.load_config import load_cluster
    from jobs.sweep.yaml_text import parse_file, read_text

    if args.target.is_dir():
        return Store(args.target)
    from jobs.store.sweep_folder import sweep_folder
    from jobs.sweep.sweep_file import read_name

    fields = parse_file(read_text(args.target), str(args.target)).mapping(required=("name",))
    cluster = load_cluster(args.cluster) if args.cluster else None
    return sweep_folder(store_root(args.store, cluster), read_name(fields["name"]))


def console(stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, indent=1))
