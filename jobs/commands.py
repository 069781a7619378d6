"""What each command does, given its parsed arguments. Imports are each command's own."""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from dataclasses import replace

from jobs.given import console, filter_of_runs, print_json, store_of, sweep_of
from jobs.places import data_folder, store_root
from regularize.errors import UserError
from regularize.store import Store


def plan(args: Namespace) -> int:
    from jobs.cluster import load_cluster
    from jobs.packs import read_packs
    from jobs.plan import known_facts, last_selection, make_plan, wanted_runs
    from jobs.reserved import without
    from jobs.views import plan_view

    cluster = load_cluster(args.cluster, args.max_tasks)
    sweep = sweep_of(args, cluster)
    store = Store(store_root(args.store, cluster) / sweep.name)
    packs = read_packs(store)
    for problem in packs.broken.values():
        print(f"warning: {problem}", file=sys.stderr)
    wanted, ahead = wanted_runs(sweep, packs, last_selection(store, sweep) if sweep.two_phase else None)
    facts = known_facts(sweep, data_folder(args.data_root, cluster))
    made = make_plan(wanted, ahead, packs, cluster, facts, without(store, packs, cluster))
    if args.json:
        print_json({"sweep": sweep.name, "store": str(store.folder), **made.to_json()})
    else:
        console().print(plan_view(made))
    return 0


def submit(args: Namespace) -> int:
    from jobs.cluster import load_cluster
    from jobs.prepare import Submission
    from jobs.submit import submit as run

    cluster = load_cluster(args.cluster, args.max_tasks)
    if args.max_jobs is not None:
        cluster = replace(cluster, max_jobs=args.max_jobs)
    sweep = sweep_of(args, cluster)
    data_root = data_folder(args.data_root, cluster)
    submission = Submission(
        sweep=sweep,
        store=Store((store_root(args.store, cluster) / sweep.name).absolute()),
        cluster=cluster,
        data_root=data_root.absolute() if data_root else None,
        overrides=args.overrides,
        console=console(stderr=True),
    )
    try:
        whole = run(submission)
        if getattr(args, "wait", False) and cluster.kind == "slurm":
            from jobs.wait import wait

            whole = wait(submission)
        return 0 if whole else 1
    except KeyboardInterrupt:
        print(f"to continue: {shlex.join(['regularize', *args.argv])}", file=sys.stderr)
        raise


def status(args: Namespace) -> int:
    from jobs.status import read_overview
    from jobs.views import status_view

    store = store_of(args)
    found = read_overview(store, filter_of_runs(args, store), lambda text: print(text, file=sys.stderr))
    if args.json:
        print_json({"store": str(store.folder), **found.to_json()})
    else:
        console().print(status_view(found))
    return 0


def logs(args: Namespace) -> int:
    from jobs.control import logs as read
    from jobs.status import see

    store = store_of(args)
    wanted = filter_of_runs(args, store)
    sight, notes = see(store, lambda text: print(text, file=sys.stderr))
    for note in notes:
        print(f"warning: {note}", file=sys.stderr)
    for text in read(store, wanted, args.lines, sight):
        print(text)
    return 0


def cancel(args: Namespace) -> int:
    from jobs.control import cancel as run

    store = store_of(args)
    run(store, filter_of_runs(args, store), console())
    return 0


def retry(args: Namespace) -> int:
    from jobs.control import retry as run

    store = Store(store_of(args).folder.absolute())
    return 0 if run(store, filter_of_runs(args, store), console(stderr=True)) else 1


def watch(args: Namespace) -> int:
    from jobs.cluster import load_cluster
    from jobs.watch.command import local_source
    from jobs.watch.command import watch as run

    cluster = load_cluster(args.cluster) if args.cluster else None
    if cluster and cluster.host:
        from jobs.remote.source import remote_source

        return run(args, remote_source(args, cluster))
    return run(args, local_source(store_of(args)))


def sync(args: Namespace) -> int:
    from jobs.remote.commands import sync as run

    return run(args)


def efficiency(args: Namespace) -> int:
    from jobs import saved
    from jobs.efficiency import advice, uses, view
    from jobs.journal import read_journal
    from jobs.slurm.commands import Slurm

    store = store_of(args)
    cluster = saved.load(store).cluster
    jobs = [handed.job_id for handed in read_journal(store.journal).arrays if handed.job_id]
    past = Slurm().accounting(jobs)
    if past is None:
        raise UserError("Slurm keeps no account of jobs on this cluster (no slurmdbd)")
    found = uses(past, cluster.tasks_per_node)
    lines = list(advice(found, cluster))
    if args.json:
        print_json({"jobs": [use.to_json() for use in found], "advice": lines})
    else:
        console().print(view(found) if found else "no job of this sweep has begun")
        print(*lines, sep="\n")
    return 0


def train(args: Namespace) -> int:
    from jobs.foreground import choose, train_here

    return train_here(choose(sweep_of(args), args), args.out, args.data_root)


def reproduce(args: Namespace) -> int:
    from jobs.reproduce import reproduce as run

    return run(args)


def data(args: Namespace) -> int:
    from jobs.cluster import load_cluster
    from jobs.data_sets import fetch_all, listing

    root = data_folder(args.data_root, load_cluster(args.cluster))
    if args.action == "fetch":
        fetch_all(args.names, root)
    else:
        console().print(listing(root))
    return 0


def cluster(args: Namespace) -> int:
    from jobs.cluster import CONFIGS, load_cluster
    from jobs.clusters import check, listing

    if args.action == "list":
        console().print(listing(sorted(CONFIGS.glob("*.yaml"))))
        print(f"in {CONFIGS}; a path of a .yaml file of one's own is a cluster too")
        return 0
    found = load_cluster(args.name)
    if args.action == "setup":
        from jobs.remote.commands import setup

        return setup(args, found)
    root = data_folder(args.data_root, found)
    store = store_root(args.store, found).absolute()
    return check(found, store, root.absolute() if root else None, wait=60.0 * args.wait, as_json=args.json)
