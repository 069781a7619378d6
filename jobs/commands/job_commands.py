"""What the commands do to a sweep that was submitted, or say of it. Imports are each command's own."""

from __future__ import annotations

import sys
from argparse import Namespace

from jobs.commands.targets import console, filter_of_runs, print_json, store_of
from regularize.errors import UserError
from regularize.rare_collections import rarely_collected
from regularize.store import Store


@rarely_collected()
def status(args: Namespace) -> int:
    from analysis.statistics.open_ends import open_ends
    from jobs.status.overview import read_overview
    from jobs.status.plan_and_status_text import status_view
    from jobs.store.changed_inputs import changed_code, unlike_data

    store = store_of(args)
    left_open = open_ends(store)
    found = read_overview(store, filter_of_runs(args, store), lambda text: print(text, file=sys.stderr))
    changed = [
        *(change.said for change in changed_code(store, found.packs)),
        *unlike_data(store, found.packs),
    ]
    if args.json:
        print_json(
            {"store": str(store.folder), "changed": changed, **found.to_json(), "left_open": left_open}
        )
    else:
        console().print(status_view(found))
        for said in (*left_open, *changed):
            console().print(f"note: {said}", style="yellow", markup=False, soft_wrap=True)
    return 0


def logs(args: Namespace) -> int:
    from jobs.status.going_on import see
    from jobs.status.log_files import logs as read

    store = store_of(args)
    wanted = filter_of_runs(args, store)
    sight, notes = see(store, lambda text: print(text, file=sys.stderr))
    for note in notes:
        print(f"warning: {note}", file=sys.stderr)
    for text in read(store, wanted, args.lines, sight):
        print(text)
    return 0


@rarely_collected()
def cancel(args: Namespace) -> int:
    from jobs.commands.cancel_and_retry import cancel as run

    store = store_of(args)
    run(store, filter_of_runs(args, store), console())
    return 0


@rarely_collected()
def retry(args: Namespace) -> int:
    from jobs.commands.cancel_and_retry import retry as run

    store = Store(store_of(args).folder.absolute())
    return 0 if run(store, filter_of_runs(args, store), console(stderr=True), lost=args.lost) else 1


def watch(args: Namespace) -> int:
    from jobs.cluster.load_config import load_cluster
    from jobs.watch.watch_command import local_source
    from jobs.watch.watch_command import watch as run

    cluster = load_cluster(args.cluster) if args.cluster else None
    if cluster and cluster.host:
        from jobs.commands.parser import parser
        from jobs.remote.remote_source import remote_source

        return run(args, remote_source(args, cluster, parser().parse_args))
    return run(args, local_source(store_of(args)))


def efficiency(args: Namespace) -> int:
    from jobs.slurm.client import Slurm
    from jobs.status.efficiency import advice, peaks, uses, view
    from jobs.store import submitted_settings
    from jobs.store.journal import read_journal
    from jobs.store.pack_status import read_packs

    store = store_of(args)
    cluster = submitted_settings.load(store).cluster
    if cluster.kind == "local":
        raise UserError(
            f"efficiency asks Slurm's accounting, and {store.folder} was trained on this machine: its time "
            "and memory are those of the processes that `regularize status` names"
        )
    jobs = [handed.job_id for handed in read_journal(store.journal).arrays if handed.job_id]
    past = Slurm().accounting(jobs)
    if past is None:
        raise UserError("Slurm keeps no account of jobs on this cluster (no slurmdbd)")
    found = uses(past, peaks(read_packs(store)))
    lines = list(advice(found, cluster))
    if args.json:
        print_json({"jobs": [use.to_json() for use in found], "advice": lines})
    else:
        console().print(view(found) if found else "no job of this sweep has begun")
        print(*lines, sep="\n")
    return 0
