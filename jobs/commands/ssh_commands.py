"""`regularize sync` and `regularize cluster setup`, given their parsed arguments."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path

from jobs.cluster.cluster_config import Cluster
from jobs.cluster.load_config import load_cluster
from jobs.cluster.roots import store_root
from jobs.remote import remote_shell
from jobs.remote.command_request import sweep_text
from jobs.remote.install_script import script
from jobs.remote.run_there import Remote, remote, run_there
from jobs.remote.ssh import connect
from jobs.remote.sync import sync as bring
from jobs.support.readable_numbers import plural
from jobs.sweep.sweep_file import read_name
from jobs.sweep.yaml_text import parse_file
from regularize.errors import UserError
from regularize.store import Store


def sync(args: Namespace) -> int:
    """Bring a sweep's tables here; 1 if something is damaged."""
    cluster = load_cluster(args.cluster)
    if cluster.host is None:
        raise UserError(f"{cluster.name} has no `host:`: its store is on this machine")
    store = Store(_folder(args))
    there = str(cluster.store or f"{remote_shell.base(cluster)}/results")
    synced = bring(connect(cluster.host), cluster, there, store, weights=args.weights)
    print(f"{plural(synced.files, 'file')} brought to {store.folder}")
    for problem in synced.problems:
        print(f"warning: {problem.path} is damaged: {problem.reason}", file=sys.stderr)
    if synced.problems:
        print("they are left out; the next sync tries again", file=sys.stderr)
    return 1 if synced.problems else 0


def setup(args: Namespace, cluster: Cluster) -> int:
    """Bring code, environment and data sets to a cluster; 1 if the environment cannot be built."""
    place = remote(args.name, cluster)
    code = _build(place, args.index_url or os.environ.get("PIP_INDEX_URL"))
    if code:
        raise UserError(f"the environment on {cluster.host} is not complete; the same command goes on")
    if args.data:
        fetch = {"command": "data", "action": "fetch", "names": args.data, "data_root": None}
        return run_there(Namespace(**fetch, cluster=args.name, argv=args.argv)) or 0
    return 0


def _build(place: Remote, index: str | None) -> int:
    text = script(place.cluster, place.snapshot.name, index)
    code = place.ssh.run(text)
    if code == remote_shell.NO_SNAPSHOT:
        place.send()
        code = place.ssh.run(text)
    return code


def _folder(args: Namespace) -> Path:
    """Where a sweep's store is here: in the folder of all stores, unless it is named itself."""
    if args.target.is_dir():
        return Path(args.target).resolve()
    name, text = sweep_text(args.target)
    node = parse_file(text, name).mapping(required=("name",))["name"]
    return store_root(args.store, None) / read_name(node)
