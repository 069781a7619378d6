"""`regularize data`: list and download data sets."""

from __future__ import annotations

from argparse import Namespace

from jobs.cluster.roots import data_folder
from jobs.commands.targets import console


def data(args: Namespace) -> int:
    from jobs.cluster.data_sets import fetch_all, listing
    from jobs.cluster.load_config import load_cluster

    root = data_folder(args.data_root, load_cluster(args.cluster))
    if args.action == "fetch":
        fetch_all(args.names, root)
    else:
        console().print(listing(root))
    return 0
