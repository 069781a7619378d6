"""What the commands do that take a sweep file: plan, submit, train. Imports are each command's own."""

from __future__ import annotations

import os
import shlex
import sys
from argparse import Namespace
from dataclasses import replace

from jobs.cluster import shell_wishes
from jobs.cluster.roots import data_folder, store_root
from jobs.commands.targets import console, print_json, store_of, sweep_of
from jobs.store.changed_ways import WAYS
from jobs.store.sweep_folder import sweep_folder
from regularize.errors import UserError
from regularize.rare_collections import rarely_collected
from regularize.store import Store


@rarely_collected()
def plan(args: Namespace) -> int:
    from jobs.cluster.load_config import load_cluster
    from jobs.local import gpus
    from jobs.local.size_trials import tried_more
    from jobs.planning.bound_ranks import with_ranks
    from jobs.planning.kernel_paths import check_ways, idle_threads, kernel_paths
    from jobs.planning.last_choice import last_choice
    from jobs.planning.open_questions import open_questions
    from jobs.planning.own_models import side_by_side
    from jobs.planning.plan import Plan, make_plan
    from jobs.planning.sweep_data import look_at_data
    from jobs.planning.sweep_inputs import changed_in
    from jobs.planning.tuning import wanted_runs
    from jobs.status.plan_and_status_text import plan_view
    from jobs.store.pack_status import read_packs
    from jobs.submission.runs_in_hand import without
    from jobs.sweep.older_meaning import older_meaning

    cluster = load_cluster(args.cluster, args.max_tasks)
    for note in shell_wishes.notes(cluster):
        print(f"note: {note}", file=sys.stderr)
    stores = store_root(args.store, cluster)
    sweep = sweep_of(args, cluster, stores)
    if meant := older_meaning(sweep):
        print(f"note: {meant}", file=sys.stderr)
    check_ways(sweep, cluster)
    store = sweep_folder(stores, sweep.name)
    packs = read_packs(store)
    for problem in packs.broken.values():
        print(f"warning: {problem}", file=sys.stderr)
    root = data_folder(args.data_root, cluster)

    def say(note: str) -> None:
        print(f"note: {note}", file=sys.stderr)

    facts = look_at_data(sweep, root, say)
    sweep, of_ranks = with_ranks(sweep, cluster, facts)
    wanted, ahead = wanted_runs(sweep, packs, last_choice(store, sweep), facts)
    together = side_by_side(sweep, facts, cluster)
    in_hand = without(store, packs, cluster)

    def make() -> Plan:
        return make_plan(wanted, ahead, packs, cluster, facts, in_hand, together)

    made = make()
    if tried_more(made, cluster, facts, root, say):
        made = make()
    changed = [change.said for change in changed_in(sweep, store, packs, root, facts)]
    here = cluster.kind == "local" and not cluster.gpus
    kernels = kernel_paths(made.runs, made.packs, facts, say) if here else None
    left_open = [*open_questions(sweep, facts, cluster), *of_ranks, *idle_threads(made.runs, facts, cluster)]
    if cluster.kind == "local":
        left_open += gpus.notes(cluster, os.environ)
    if args.json:
        described = {"sweep": sweep.name, "store": str(store.folder), "changed": changed, "kernels": kernels}
        print_json(described | made.to_json() | {"left_open": left_open})
    else:
        console().print(plan_view(made, kernels, left_open))
        for said in changed:
            print(f"warning: {said}", file=sys.stderr)
    return 0


def submit(args: Namespace) -> int:
    from jobs.cluster.load_config import load_cluster
    from jobs.commands.submit import submit as run
    from jobs.planning.prepare_submission import Submission
    from jobs.sweep.older_meaning import older_meaning
    from regularize import own_stores

    cluster = load_cluster(args.cluster, args.max_tasks)
    if args.max_jobs is not None:
        cluster = replace(cluster, max_jobs=args.max_jobs)
    for note in shell_wishes.notes(cluster):
        print(f"note: {note}", file=sys.stderr)
    stores = store_root(args.store, cluster).absolute()
    sweep = sweep_of(args, cluster, stores)
    if meant := older_meaning(sweep):
        print(f"note: {meant}", file=sys.stderr)
    data_root = data_folder(args.data_root, cluster)
    submission = Submission(
        sweep=sweep,
        store=sweep_folder(stores, sweep.name),
        cluster=cluster,
        data_root=data_root.absolute() if data_root else None,
        overrides=args.overrides,
        console=console(stderr=True),
        changed={kind: way for kind in WAYS if (way := getattr(args, kind, None))},
    )
    own_stores.note(submission.store, submission.own_code)
    try:
        whole = run(submission)
        if getattr(args, "wait", False) and cluster.kind == "slurm":
            from jobs.status.wait_for_jobs import wait
            from jobs.submission.submit_to_slurm import end_by_hand, go_on_by_hand

            whole = wait(submission, go_on_by_hand, end_by_hand)
    except KeyboardInterrupt:
        _say_how_to_continue(args)
        raise
    if not whole and cluster.kind == "local":  # on Slurm what is left out names what hands it over again
        _say_how_to_continue(args)
    return 0 if whole else 1


def _say_how_to_continue(args: Namespace) -> None:
    print(f"to continue: {shlex.join(['regularize', *args.argv])}", file=sys.stderr)


def verify(args: Namespace) -> int:
    """1 if a number differs."""
    from jobs.store import submitted_settings
    from jobs.store.pack_status import read_packs
    from jobs.verification.train_again import drawn
    from jobs.verification.train_again import verify as run

    store = Store(store_of(args).folder.absolute())
    known = submitted_settings.load(store)
    runs = drawn(read_packs(store).done(), args.runs)
    if not runs:
        raise UserError(f"no run of {store.folder} is finished: there is nothing to verify")
    found = run(store, known, runs, console(stderr=True))
    for each in found:
        print(f"{each.run_id}: {f'differs in {each.differs}' if each.differs else 'every number is equal'}")
    return 1 if any(each.differs for each in found) else 0


def train(args: Namespace) -> int:
    from jobs.local.train_one_run import choose, train_here
    from jobs.sweep.older_meaning import older_meaning

    sweep = sweep_of(args, stores=store_root(args.store, None))
    if meant := older_meaning(sweep):
        print(f"note: {meant}", file=sys.stderr)
    return train_here(choose(sweep, args), args.out, args.data_root)
