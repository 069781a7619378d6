"""`regularize cluster`: which configs there are, and what a check of one found."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from jobs.cluster.cluster_config import Cluster
from jobs.cluster.load_config import CONFIGS, load_cluster
from jobs.cluster.roots import data_folder, store_root
from jobs.cluster_check import Check
from jobs.cluster_check.finding import view
from jobs.commands.targets import console
from jobs.support.readable_numbers import plural


def cluster(args: Namespace) -> int:

    if args.action == "list":
        console().print(listing(sorted(CONFIGS.glob("*.yaml"))))
        print(f"in {CONFIGS}; a path of a .yaml file of one's own is a cluster too")
        return 0
    found = load_cluster(args.name)
    if args.action == "setup":
        from jobs.commands.ssh_commands import setup

        return setup(args, found)
    root = data_folder(args.data_root, found)
    store = store_root(args.store, found).absolute()
    return _check(found, store, root.absolute() if root else None, wait=60.0 * args.wait, as_json=args.json)


def listing(files: Sequence[Path]) -> Table:
    """Every config by name, with the comment that it begins with."""
    table = Table("cluster", "what it is", box=None, pad_edge=False)
    for path in files:
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        about = first.removeprefix("#").strip() if first.startswith("#") else ""
        table.add_row(path.stem, Text(about))
    return table


def _check(cluster: Cluster, store: Path, data_root: Path | None, *, wait: float, as_json: bool) -> int:
    """Print each finding as it is made (as JSON, all at the end); 1 if something failed."""
    out, err = console(), console(stderr=True)

    def say(message: str) -> None:
        err.print(Text(message, "dim"))

    found = []
    for finding in Check(
        cluster=cluster, store=store, data_root=data_root, patience=wait, say=say
    ).findings():
        found.append(finding)
        if not as_json:
            out.print(view(finding))
    failures = sum(finding.state == "fail" for finding in found)
    if as_json:
        findings = [finding.to_json() for finding in found]
        print(json.dumps({"cluster": cluster.name, "passed": not failures, "findings": findings}, indent=1))
    elif failures:
        out.print(Text(f"{cluster.name}: {plural(failures, 'failure')}", "bold red"))
    else:
        out.print(Text(f"{cluster.name} can be used", "bold green"))
    return 1 if failures else 0
