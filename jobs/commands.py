"""What each command does, given its parsed arguments. Imports are each command's own."""

from __future__ import annotations

import json
import shlex
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jobs.places import data_folder, store_root
from regularize.errors import UserError
from regularize.store import Store

if TYPE_CHECKING:
    from rich.console import Console

    from analysis.figures import Drawn
    from jobs.cluster import Cluster
    from jobs.filters import Filter
    from jobs.sweep import Sweep


def plan(args: Namespace) -> int:
    from jobs.cluster import load_cluster
    from jobs.packs import read_packs
    from jobs.plan import known_facts, last_selection, make_plan, wanted_runs
    from jobs.reserved import without
    from jobs.views import plan_view

    cluster = load_cluster(args.cluster, args.max_tasks)
    sweep = _sweep(args, cluster)
    store = Store(store_root(args.store, cluster) / sweep.name)
    packs = read_packs(store)
    for problem in packs.broken.values():
        print(f"warning: {problem}", file=sys.stderr)
    wanted, ahead = wanted_runs(sweep, packs, last_selection(store, sweep) if sweep.two_phase else None)
    facts = known_facts(sweep, data_folder(args.data_root, cluster))
    made = make_plan(wanted, ahead, packs, cluster, facts, without(store, packs, cluster))
    if args.json:
        _print_json({"sweep": sweep.name, "store": str(store.folder), **made.to_json()})
    else:
        _console().print(plan_view(made))
    return 0


def submit(args: Namespace) -> int:
    from jobs.cluster import load_cluster
    from jobs.prepare import Submission
    from jobs.submit import submit as run

    cluster = load_cluster(args.cluster, args.max_tasks)
    if args.max_jobs is not None:
        cluster = replace(cluster, max_jobs=args.max_jobs)
    sweep = _sweep(args, cluster)
    data_root = data_folder(args.data_root, cluster)
    submission = Submission(
        sweep=sweep,
        store=Store((store_root(args.store, cluster) / sweep.name).absolute()),
        cluster=cluster,
        data_root=data_root.absolute() if data_root else None,
        overrides=args.overrides,
        console=_console(stderr=True),
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

    store = _store(args)
    found = read_overview(store, _filter(args, store), lambda text: print(text, file=sys.stderr))
    if args.json:
        _print_json({"store": str(store.folder), **found.to_json()})
    else:
        _console().print(status_view(found))
    return 0


def logs(args: Namespace) -> int:
    from jobs.control import logs as read

    store = _store(args)
    for text in read(store, _filter(args, store), args.lines):
        print(text)
    return 0


def cancel(args: Namespace) -> int:
    from jobs.control import cancel as run

    store = _store(args)
    run(store, _filter(args, store), _console())
    return 0


def retry(args: Namespace) -> int:
    from jobs.control import retry as run

    store = Store(_store(args).folder.absolute())
    return 0 if run(store, _filter(args, store), _console(stderr=True)) else 1


def watch(args: Namespace) -> int:
    from jobs.cluster import load_cluster
    from jobs.watch.command import local_source
    from jobs.watch.command import watch as run

    cluster = load_cluster(args.cluster) if args.cluster else None
    if cluster and cluster.host:
        from jobs.remote.source import remote_source

        return run(args, remote_source(args, cluster))
    return run(args, local_source(_store(args)))


def sync(args: Namespace) -> int:
    from jobs.remote.commands import sync as run

    return run(args)


def efficiency(args: Namespace) -> int:
    from jobs import saved
    from jobs.efficiency import advice, uses, view
    from jobs.journal import read_journal
    from jobs.slurm.commands import Slurm

    store = _store(args)
    cluster = saved.load(store).cluster
    jobs = [handed.job_id for handed in read_journal(store.journal).arrays if handed.job_id]
    past = Slurm().accounting(jobs)
    if past is None:
        raise UserError("Slurm keeps no account of jobs on this cluster (no slurmdbd)")
    found = uses(past, cluster.tasks_per_node)
    lines = list(advice(found, cluster))
    if args.json:
        _print_json({"jobs": [use.to_json() for use in found], "advice": lines})
    else:
        _console().print(view(found) if found else "no job of this sweep has begun")
        print(*lines, sep="\n")
    return 0


def train(args: Namespace) -> int:
    from jobs.foreground import choose, train_here

    return train_here(choose(_sweep(args), args), args.out, args.data_root)


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
        _console().print(listing(root))
    return 0


def cluster(args: Namespace) -> int:
    from jobs.cluster import CONFIGS, load_cluster
    from jobs.clusters import check, listing

    if args.action == "list":
        _console().print(listing(sorted(CONFIGS.glob("*.yaml"))))
        print(f"in {CONFIGS}; a path of a .yaml file of one's own is a cluster too")
        return 0
    found = load_cluster(args.name)
    if args.action == "setup":
        from jobs.remote.commands import setup

        return setup(args, found)
    root = data_folder(args.data_root, found)
    store = store_root(args.store, found).absolute()
    return check(found, store, root.absolute() if root else None, wait=60.0 * args.wait, as_json=args.json)


def collect(args: Namespace) -> int:
    store = _store(args)
    _collect(store)
    print(f"tables are in {store.tables}")
    return 0


def export(args: Namespace) -> int:
    from analysis.export import export as write
    from analysis.tables import Tables

    store = _store(args)
    _collect(store)
    folder = args.out or store.folder / "exports" / args.to
    write(Tables(store), args.to, folder)
    print(folder)
    return 0


def compare(args: Namespace) -> int:
    from analysis.conclusions import conclude
    from analysis.scores import score
    from analysis.tables import Tables

    score(args.metric)
    store = _store(args)
    _collect(store, ("runs", "results"))
    for conclusion in conclude(Tables(store), args.metric):
        conclusion.write(store)
        if conclusion.groups:
            _console().print(conclusion.shown())
            print(f"{store.table(conclusion.name)}, .csv and .tex\n")
    return 0


def figures(args: Namespace) -> int:
    from analysis import results_table
    from analysis.figures import draw_all
    from analysis.results_text import to_terminal
    from analysis.tables import Tables

    store = _store(args)
    _collect(store)
    drawn = draw_all(store, args.names, args.run, args.data_root, args.layer)
    table = results_table.results_table(Tables(store))
    results_table.write(table, store)
    _console().print(to_terminal(table))
    _say_drawn(drawn)
    return 1 if args.names and drawn.missing else 0


def gallery(args: Namespace) -> int:
    from analysis.gallery import gallery as write

    store = _store(args)
    _collect(store)
    page, missing = write(store, args.out, args.data_root)
    print(page)
    _say_missing(missing)
    return 0


def _say_drawn(drawn: Drawn) -> None:
    """The figures' names, each with what it shows in a sentence."""
    from analysis.figures import summary

    for path in drawn.paths:
        print(f"{path}\n  {summary(path)}")
    _say_missing(drawn.missing)


def _say_missing(figures: Mapping[str, str]) -> None:
    for name, reason in figures.items():
        print(f"not drawn: {name}: {reason}", file=sys.stderr)


def report(args: Namespace) -> int:
    from analysis.conclusions import conclude
    from analysis.figures import FIGURES, draw_all
    from analysis.report import write_report
    from analysis.tables import Tables

    store = _store(args)
    _collect(store)
    for conclusion in conclude(Tables(store)):
        conclusion.write(store)
    names = [name for name, kind in FIGURES.items() if kind.needs == "tables" or not args.tables_only]
    drawn = draw_all(store, names, data_root=args.data_root)
    _say_drawn(drawn)
    path = write_report(store, drawn)
    print(f"{path}\n  conclusions, tables, figures, failures and provenance on one page")
    return 0


def animate(args: Namespace) -> int:
    from analysis.animate import animate as film

    for path in film(_store(args), args.regularizer, args.out, args.data_root):
        print(path)
    return 0


def _collect(store: Store, names: Sequence[str] | None = None) -> None:
    """Bring tables (all by default) up to date, and say on stderr what is not in them."""
    from analysis.collect import NAMES, collect

    found = collect(store, names or NAMES)
    left_out = f", {found.left_out} of earlier versions of the sweep left out" if found.left_out else ""
    line = f"{found.finished} of {found.runs} runs have results, {found.diverged} diverged{left_out}"
    print(line, file=sys.stderr)
    for path in found.damaged:
        print(f"warning: {path} was damaged; `regularize submit` trains its runs again", file=sys.stderr)


def _sweep(args: Namespace, cluster: Cluster | None = None) -> Sweep:
    from jobs.sweep import load_sweep
    from regularize.data.registry import known

    root = data_folder(args.data_root, cluster)
    return load_sweep(args.sweep, args.overrides, lambda name: known(name, root))


def _filter(args: Namespace, store: Store) -> Filter:
    from jobs.filters import filter_of
    from jobs.rows import read_rows

    return filter_of(args, read_rows(store))


def _store(args: Namespace) -> Store:
    """The store of a sweep file, or the folder itself."""
    from jobs.cluster import load_cluster
    from jobs.yaml_text import parse_file, read_text

    if args.target.is_dir():
        return Store(args.target)
    from jobs.sweep import read_name

    fields = parse_file(read_text(args.target), str(args.target)).mapping(required=("name",))
    cluster = load_cluster(args.cluster) if args.cluster else None
    return Store(store_root(args.store, cluster) / read_name(fields["name"]))


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, indent=1))
