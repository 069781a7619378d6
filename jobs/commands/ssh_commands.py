"""`regularize sync` and `regularize cluster setup`, given their parsed arguments."""

from __future__ import annotations

import os
import sys
from argparse import Namespace

from jobs.cluster.cluster_config import Cluster
from jobs.cluster.load_config import load_cluster
from jobs.cluster.roots import store_root
from jobs.commands.targets import which_stores
from jobs.remote import remote_shell
from jobs.remote.command_request import sweep_text
from jobs.remote.install_script import script
from jobs.remote.run_there import Remote, remote, run_there
from jobs.remote.store_files import send
from jobs.remote.sync import sync as bring
from jobs.store.sweep_folder import sweep_folder
from jobs.support.hangup import interrupted_by_hangup
from jobs.support.readable_numbers import plural
from jobs.sweep.sweep_file import read_name
from jobs.sweep.yaml_text import parse_file
from regularize.errors import UserError
from regularize.store import Store
from regularize.store_links import checked_store


def sync(args: Namespace) -> int:
    """Bring a sweep's tables here; 1 if something is damaged. On the cluster, write them to stdout."""
    cluster = load_cluster(args.cluster)
    if (had := getattr(args, "had", None)) is not None:  # asked by a laptop's
        with interrupted_by_hangup():
            send(
                sweep_folder(store_root(None, cluster), args.name),
                had,
                sys.stdout.buffer,
                weights=args.weights,
            )
        return 0
    if cluster.host is None:
        raise UserError(f"{cluster.name} has no `host:`: its store is on this machine")
    store = _store(args)
    synced = bring(remote(args.cluster, cluster), args, store)
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
    if not cluster.gpus_asked or cluster.allow_cpu:
        snapshot = place.snapshot
        prepare = remote_shell.run(cluster, snapshot.name, snapshot.folders, "jobs.remote.prepare_kernels")
        place.ssh.run(prepare)
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


def _store(args: Namespace) -> Store:
    """A sweep's store here: in the folder of all stores, unless it is named itself."""
    if args.target is None:
        raise UserError(f"which sweep? {which_stores('sync', store_root(args.store, None))}")
    if args.target.is_dir():
        return checked_store(Store(args.target.resolve()))
    name, text = sweep_text(args.target)
    node = parse_file(text, name).mapping(required=("name",))["name"]
    return sweep_folder(store_root(args.store, None), read_name(node))
