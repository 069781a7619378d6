"""`regularize reproduce`: a sweep that ships with the project, run and held against published numbers."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from analysis.published.references import REFERENCES, Reference
from jobs.cluster.load_config import load_cluster
from jobs.cluster.roots import data_folder, store_root
from jobs.commands import sweep_commands
from jobs.commands.targets import console, dialects_in
from jobs.planning.last_choice import last_choice
from jobs.planning.sweep_data import look_at_data
from jobs.planning.tuning import wanted_runs
from jobs.store.pack_status import read_packs
from jobs.support.readable_numbers import plural
from jobs.sweep.sweep_file import Sweep, load_sweep
from regularize.data import Facts
from regularize.errors import UserError, require, unknown
from regularize.store import Store

FOLDER = Path(__file__).parents[1] / "reproductions"


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def reproduce(args: Namespace) -> int:
    """Say what it costs, run it through `submit`, print and write published beside measured numbers.

    On Slurm the numbers are there later. Whatever is done already is not done again, so the same command
    continues, and in the end prints them.

    Raises:
        UserError: no such reproduction, a scale or a setting that is not valid or leaves nothing to
            compare, data that is missing.
    """
    if args.name not in names():
        raise UserError(unknown("reproduction", args.name, names()))
    args.sweep = FOLDER / f"{args.name}.yaml"
    cluster = load_cluster(args.cluster)
    stores = store_root(args.store, cluster)
    dialects = dialects_in(stores)
    published = load_sweep(args.sweep, dialect_of=dialects)
    settings, reference = args.overrides, REFERENCES[args.name]
    args.overrides = [*shortened(published, args.scale, args.seeds), *settings]
    sweep = load_sweep(args.sweep, args.overrides, dialect_of=dialects)
    _check_comparable(sweep, published, reference)
    notes = [headline(args.name, published, sweep, settings)]
    print(notes[0])
    args.json = False
    sweep_commands.plan(args)
    if args.plan:
        return 0
    if code := sweep_commands.submit(args):
        return code
    store = Store(stores / sweep.name)
    facts = look_at_data(sweep, data_folder(args.data_root, cluster), lambda _: None)
    done, all_ = _progress(sweep, store, facts)
    if done < all_:
        print(f"{done:,} of {plural(all_, 'run')} done: once all are, the same command prints the table")
        return 0
    _show(store, reference, notes)
    return 0


def shortened(sweep: Sweep, scale: float, seeds: int | None) -> list[str]:
    """The overrides that train for a share `scale` of the steps or epochs, on so many seeds.

    In a sweep that tunes, `seeds` are those reported on; there are no more tune seeds than that.

    Raises:
        UserError: a scale that is not in (0, 1], more seeds than the sweep has.
    """
    require(0 < scale <= 1, "--scale", scale, "above 0 and at most 1")
    training = sweep.datasets[0].training
    name = "steps" if training.steps else "epochs"
    overrides = []
    if scale < 1:
        overrides.append(f"training.{name}={max(1, round(scale * getattr(training, name)))}")
    if seeds is not None:
        require(
            1 <= seeds <= len(sweep.report_seeds), "--seeds", seeds, f"from 1 to {len(sweep.report_seeds)}"
        )
        tune, report = (list(all_[:seeds]) for all_ in (sweep.tune_seeds, sweep.report_seeds))
        overrides.append(f"seeds={{tune: {tune}, report: {report}}}" if tune else f"seeds={report}")
    return overrides


def headline(name: str, published: Sweep, sweep: Sweep, settings: Sequence[str] = ()) -> str:
    """What is reproduced, in what the sweep was shortened, and by which `--set` it was changed."""
    changes = [
        f"{now} instead of {before}"
        for before, now in zip(_words(published), _words(sweep), strict=True)
        if before != now
    ]
    if published == sweep:
        return f"{name} in full"
    changed = [f"--set {shlex.quote(setting)}" for setting in settings]
    return f"{name}, {'shortened' if changes else 'changed'}: {'; '.join([*changes, *changed])}"


def _words(sweep: Sweep) -> Iterator[str]:
    """What can be shortened, in words."""
    trainings = dict.fromkeys(grid.training for grid in sweep.datasets)
    yield ", ".join(plural(t.steps, "step") if t.steps else plural(t.epochs or 0, "epoch") for t in trainings)
    yield f"{len(sweep.tune_seeds)} tune seeds" if sweep.two_phase else ""
    yield plural(len(sweep.report_seeds), "report seed" if sweep.two_phase else "seed")


def _check_comparable(sweep: Sweep, published: Sweep, reference: Reference) -> None:
    trained = {(size.name, size.per_class) for grid in sweep.datasets for size in grid.sizes}
    if not any((column.dataset, column.per_class) in trained for column in reference.columns):
        known = dict.fromkeys(column.dataset for column in reference.columns)
        raise UserError(f"nothing would be comparable: the published numbers are of {', '.join(known)}")
    if sweep.models != published.models:
        networks = ", ".join(published.models)
        raise UserError(f"nothing would be comparable: the published numbers are of model {networks}")


def _progress(sweep: Sweep, store: Store, facts: Mapping[str, Facts]) -> tuple[int, int]:
    """How many of the sweep's runs are done, and how many there are, those ahead included."""
    packs = read_packs(store)
    wanted, ahead = wanted_runs(sweep, packs, last_choice(store, sweep), facts)
    return sum(run.config.run_id in packs.done() for run in wanted), len(wanted) + len(ahead)


def _show(store: Store, reference: Reference, notes: list[str]) -> None:
    from analysis.published import measured_beside
    from analysis.tables.collect import collect
    from analysis.tables.store_tables import Tables

    collect(store)
    tables = Tables(store)
    frame = measured_beside.compare(tables, reference)
    notes += measured_beside.notes(frame, reference, tables)
    out = console()
    out.print(*notes, sep="\n", markup=False, soft_wrap=True)
    out.print(measured_beside.to_terminal(frame))
    if order := measured_beside.order_line(frame, reference):
        notes.append(order)
        out.print(order, markup=False, soft_wrap=True)
    measured_beside.write(frame, notes, store)
    print(f"written to {store.tables / 'reproduction.csv'} and .md")
