"""`regularize cluster`: which configs there are, and what a check of one found."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from jobs.cluster import shell_wishes
from jobs.cluster.cluster_config import Cluster
from jobs.cluster.load_config import CONFIGS, load_cluster
from jobs.cluster.roots import data_folder, store_root
from jobs.cluster_check import Check
from jobs.cluster_check.finding import view
from jobs.commands.targets import console, sweep_of
from jobs.support.readable_numbers import plural
from regularize.config import RunConfig
from regularize.data.source import Facts
from regularize.models import packable


def cluster(args: Namespace) -> int:

    if args.action == "list":
        console().print(listing(sorted(CONFIGS.glob("*.yaml"))))
        print(f"in {CONFIGS}; a path of a .yaml file of one's own is a cluster too")
        return 0
    found = load_cluster(args.name)
    if args.action == "setup":
        from jobs.commands.ssh_commands import setup

        return setup(args, found)
    for note in shell_wishes.notes(found):
        _say(f"note: {note}")
    root = data_folder(args.data_root, found)
    store = store_root(args.store, found).absolute()
    kinds, data = _kinds(args, found)
    check = Check(
        cluster=found,
        store=store,
        data_root=root.absolute() if root else None,
        patience=60.0 * args.wait,
        say=_say,
        kinds=kinds,
        data=data,
    )
    return _check(check, as_json=args.json)


def _say(message: str) -> None:
    console(stderr=True).print(Text(message, "dim"))


def _kinds(args: Namespace, cluster: Cluster) -> tuple[list[RunConfig], dict[str, Facts]]:
    """One of each kind of a sweep's runs, whose packs are of `auto` size, and the data that they train on."""
    if getattr(args, "sweep", None) is None or cluster.pack_runs is not None:
        return [], {}
    from jobs.planning.pack_sizes import distinct
    from jobs.planning.sweep_data import look_at_data
    from jobs.planning.tuning import wanted_runs
    from jobs.store.pack_status import Packs

    args.overrides = ()
    sweep = sweep_of(args, cluster, store_root(args.store, cluster))
    facts = look_at_data(sweep, data_folder(args.data_root, cluster), _say)
    wanted, ahead = wanted_runs(sweep, Packs(), lambda _: None, facts)
    runs = [run.config for run in (*wanted, *ahead) if packable(run.config.model)]
    return distinct(runs, cluster), facts


def listing(files: Sequence[Path]) -> Table:
    """Every config by name, with the comment that it begins with."""
    table = Table("cluster", "what it is", box=None, pad_edge=False)
    for path in files:
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        about = first.removeprefix("#").strip() if first.startswith("#") else ""
        table.add_row(path.stem, Text(about))
    return table


def _check(check: Check, *, as_json: bool) -> int:
    """Print each finding as it is made (as JSON, all at the end); 1 if something failed."""
    out, found = console(), []
    for finding in check.findings():
        found.append(finding)
        if not as_json:
            out.print(view(finding))
    name, failures = check.cluster.name, sum(finding.state == "fail" for finding in found)
    if as_json:
        findings = [finding.to_json() for finding in found]
        print(json.dumps({"cluster": name, "passed": not failures, "findings": findings}, indent=1))
    elif failures:
        out.print(Text(f"{name}: {plural(failures, 'failure')}", "bold red"))
    else:
        out.print(Text(f"{name} can be used", "bold green"))
    return 1 if failures else 0
