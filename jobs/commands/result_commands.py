"""What the commands do that read results: tables, comparisons, figures, the report.

Imports are each command's own.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from jobs.commands.targets import console, store_of
from regularize.store import Store

if TYPE_CHECKING:
    from analysis.figures.catalogue import Drawn
    from analysis.tables.region import Region


def collect(args: Namespace) -> int:
    store = store_of(args)
    _collect(store)
    print(f"tables are in {store.tables}")
    return 0


def export(args: Namespace) -> int:
    from analysis.export import export as write
    from analysis.notation.published_text import with_places
    from analysis.tables.store_tables import Tables
    from regularize.store_links import check_inside

    store = store_of(args)
    _collect(store)
    folder = args.out or store.folder / "exports" / args.to
    if args.out is None:
        check_inside(store, folder)
    with with_places(args.with_places):
        write(Tables(store), args.to, folder)
    print(folder)
    return 0


def compare(args: Namespace) -> int:
    from analysis.notation.methods import telling_apart
    from analysis.statistics.scores import score
    from analysis.tables.store_tables import Tables
    from analysis.text.conclusions import conclude

    found = score(args.metric)
    store = store_of(args)
    _collect(store, ("runs", "results", *found.tables))
    tables = Tables(store, _region(args))
    with telling_apart(tables.entries, tables.words, tables.baseline):
        for conclusion in conclude(tables, args.metric):
            conclusion.write(store)
            if conclusion.groups:
                console().print(conclusion.shown())
                print(f"{store.table(conclusion.name)}, .csv and .tex\n")
    _looked_at(store)
    return 0


def figures(args: Namespace) -> int:
    from analysis.figures.draw_figures import Look, draw_all
    from analysis.figures.parts.style import read_width
    from analysis.tables.store_tables import Tables
    from analysis.text import results_table
    from analysis.text.results_text import to_terminal

    store = store_of(args)
    _collect(store)
    look = Look(
        techniques=_listed(args.techniques),
        datasets=_listed(args.datasets),
        width=read_width(args.width) if args.width else None,
        svg=args.format == "svg",
    )
    drawn = draw_all(
        store, args.names, args.run, args.data_root, args.layer, args.score, region=_region(args), look=look
    )
    table = results_table.results_table(Tables(store))
    results_table.write(table, store)
    console().print(to_terminal(table))
    _say_drawn(drawn)
    _looked_at(store)
    return 1 if args.names and drawn.missing else 0


def gallery(args: Namespace) -> int:
    from analysis.notation.published_text import with_places
    from analysis.report.gallery import gallery as write

    store = store_of(args)
    _collect(store)
    with with_places(args.with_places):
        page, missing = write(store, args.out, args.data_root)
    _looked_at(store)
    print(page)
    _say_missing(missing)
    return 0


def _region(args: Namespace) -> Region | None:
    from analysis.tables.region import read_region

    return None if args.region is None else read_region(args.region)


def _listed(names: Sequence[str]) -> tuple[str, ...]:
    """Names that were given one by one, or with commas between them."""
    return tuple(name for each in names for name in each.split(",") if name)


def _say_drawn(drawn: Drawn) -> None:
    """The figures' names, with what each shows in a sentence, or all pages of one together."""
    from analysis.figures.draw_figures import summary

    for said, paths in groupby(drawn.paths, summary):
        print("\n".join([*map(str, paths), f"  {said}"]))
    _say_missing(drawn.missing)


def _say_missing(figures: Mapping[str, str]) -> None:
    for name, reason in figures.items():
        print(f"not drawn: {name}: {reason}", file=sys.stderr)


def report(args: Namespace) -> int:
    from analysis.figures.catalogue import FIGURES
    from analysis.figures.draw_figures import Look, draw_all
    from analysis.notation.methods import telling_apart
    from analysis.notation.published_text import with_places
    from analysis.report import write_report
    from analysis.tables.store_tables import Tables
    from analysis.text.conclusions import conclude

    store = store_of(args)
    _collect(store)
    tables = Tables(store, _region(args))
    with telling_apart(tables.entries, tables.words, tables.baseline):
        concluded = conclude(tables)
        for conclusion in concluded:
            conclusion.write(store)
    names = [name for name, kind in FIGURES.items() if kind.needs == "tables" or not args.tables_only]
    names += args.figure
    look = Look(page=True)
    drawn = draw_all(store, names, data_root=args.data_root, region=_region(args), look=look)
    _say_drawn(drawn)
    with with_places(args.with_places):
        path = write_report(store, drawn, _region(args), concluded)
    _looked_at(store)
    print(f"{path}\n  conclusions, tables, figures, failures and provenance on one page")
    return 0


def animate(args: Namespace) -> int:
    from analysis.films.animate import animate as film

    for path in film(store_of(args), args.regularizer, args.out, args.data_root):
        print(path)
    return 0


def _looked_at(store: Store) -> None:
    """Note that report results are known from now on."""
    from analysis.statistics.looks import record
    from analysis.tables.store_tables import Tables

    record(Tables(store))


def _collect(store: Store, names: Sequence[str] | None = None) -> None:
    """Bring tables (all by default) up to date, and say on stderr what is not in them."""
    from analysis.tables.collect import NAMES, collect

    found = collect(store, names or NAMES)
    left_out = f", {found.left_out} of earlier versions of the sweep left out" if found.left_out else ""
    line = f"{found.finished} of {found.runs} runs have results, {found.diverged} diverged{left_out}"
    print(line, file=sys.stderr)
    for path in found.damaged:
        print(f"warning: {path} was damaged; `regularize submit` trains its runs again", file=sys.stderr)
    for path in found.gone:
        print(f"warning: {path} is gone; `regularize submit` trains its runs again", file=sys.stderr)
