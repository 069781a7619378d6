"""`regularize data`: list, download and show data sets."""

from __future__ import annotations

from argparse import Namespace

from jobs.cluster.roots import data_folder
from jobs.commands.targets import console


def data(args: Namespace) -> int:
    from jobs.cluster.data_sets import fetch_all, listing, show
    from jobs.cluster.load_config import load_cluster
    from regularize.data import Form

    root = data_folder(args.data_root, load_cluster(args.cluster))
    if args.action == "fetch":
        fetch_all(args.names, root)
    elif args.action == "show":
        console().print(show(args.name, root, Form(resize=args.resize, channels=args.channels), args.out))
    else:
        console().print(listing(root))
    return 0
